"""Metrics are named, described, bounded and documented, and cost nothing where it matters."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

from latchstring_gateway import metrics
from latchstring_gateway.sessions.renew import Ended
from latchstring_gateway.shipping.event import Stage
from latchstring_gateway.tokens.codec import Reason

_DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
_METRICS = {name: value for name, value in vars(metrics).items() if isinstance(value, Counter | Gauge | Histogram)}


def _rows(columns: int) -> list[list[str]]:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in _DOCUMENT.splitlines() if line[:3] == "| `"
    ]
    return [row for row in rows if len(row) == columns]


def _documented_values(metric: str, label: str) -> set[str]:
    (cell,) = [row[1] for row in _rows(2) if row[0] == f"`{metric}`, `{label}`"]
    return set(re.findall(r"`([^`]+)`", cell))


def _scraped_name(metric: Counter | Gauge | Histogram) -> str:
    return f"{metric._name}_total" if isinstance(metric, Counter) else str(metric._name)


def test_a_lag_is_counted_in_seconds_once_the_stores_time_is_known() -> None:
    """What a starting worker loads was applied long ago by everybody who mattered, and a clock may be a bit behind."""
    before = metrics.REVOCATION_LAG._sum.get()

    metrics.revocation_applied(at_ms=5_000, store_ms=0)
    assert metrics.REVOCATION_LAG._sum.get() == before
    metrics.revocation_applied(at_ms=5_000, store_ms=4_999)
    metrics.revocation_applied(at_ms=5_000, store_ms=7_500)

    assert metrics.REVOCATION_LAG._sum.get() - before == pytest.approx(2.5)


def test_every_metric_stands_in_the_document_as_it_is() -> None:
    """Name as it is scraped, type, labels and meaning; nothing more and nothing less."""
    told = {row[0]: row[1:] for row in _rows(4)}
    found = {}
    for metric in _METRICS.values():
        (family,) = metric.collect()
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)
        found[f"`{_scraped_name(metric)}`"] = [family.type, labels, family.documentation]

    assert found
    assert told == found


@pytest.mark.parametrize("metric", _METRICS.values(), ids=lambda metric: metric._name)
def test_a_metric_has_our_prefix_a_unit_and_a_sentence(metric: Counter | Gauge | Histogram) -> None:
    """One prefix, seconds where it measures time, a sentence that ends, and only labels whose values are listed."""
    (family,) = metric.collect()

    assert family.name.startswith("latchstring_")
    assert family.documentation.endswith(".")
    if isinstance(metric, Histogram):
        assert family.name.endswith("_seconds")
    for label in metric._labelnames:
        assert _documented_values(_scraped_name(metric), label)


def test_every_reason_for_a_refusal_is_listed() -> None:
    """Whatever the code can give as an outcome, so that a rule or a dashboard need not guess."""
    known = {"accepted", "fresh_required", "store_away", "no_cookie", "revoked", "over", *Reason, *get_args(Ended)}

    assert known - _documented_values("latchstring_verify_total", "outcome") == set()


def test_every_gauge_is_exposed_only_where_it_is_set() -> None:
    """An untouched gauge of prometheus_client is a 0 of every process that imports it."""
    gauges = [metric for metric in _METRICS.values() if isinstance(metric, Gauge)]

    assert gauges
    assert [gauge._name for gauge in gauges if not isinstance(gauge, metrics.OwnGauge)] == []


def test_a_process_exposes_only_the_gauges_that_it_has_set(tmp_path: Path) -> None:
    """fence_holds, journal_healthy, key_file_usable and keys_in_step were 0 on every healthy node, always.

    The shipper imports the metrics and never sets these; its untouched zeros won `livemin`, and three critical alerts
    fired on a fresh install.
    """
    worker = "import latchstring_gateway.metrics as m; m.FENCE_HOLDS.set(1); m.KEY_AGE.labels('oldest').set(7)"
    shipper = "import latchstring_gateway.metrics as m; m.KEY_AGE.labels('signing')"
    for program in (worker, shipper):
        subprocess.run([sys.executable, "-c", program], env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}, check=True)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(tmp_path))

    assert registry.get_sample_value("latchstring_fence_holds") == 1
    assert registry.get_sample_value("latchstring_keys_in_step") is None
    assert registry.get_sample_value("latchstring_key_age_seconds", {"key": "oldest"}) == 7
    assert registry.get_sample_value("latchstring_key_age_seconds", {"key": "signing"}) is None
    # Growth is seen only from a 0 on.
    for stage in get_args(Stage):
        assert registry.get_sample_value("latchstring_decoder_failures_total", {"stage": stage}) == 0
    assert registry.get_sample_value("latchstring_revocations_total", {"status": "partial"}) == 0


def test_a_worker_names_the_shared_directory_before_anything_counts() -> None:
    """prometheus_client reads it when it is imported: too early, and each worker would tell of itself alone."""
    program = (
        "import sys, latchstring_gateway.supervise.http_worker as worker; sys.exit('prometheus_client' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
