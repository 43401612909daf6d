"""Metrics are named, described, and cost nothing where it matters."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from latchstring_gateway import metrics
from latchstring_gateway.metrics import HotCount


def test_a_hot_count_is_handed_over_once() -> None:
    """What was counted arrives when flushed, and not again with the next flush."""
    counter = Counter("made_for_this", "A test's.", ["outcome"], registry=CollectorRegistry())
    count = HotCount(counter, "accepted")

    count.pending += 3
    count.flush()
    count.flush()
    count.pending += 1
    count.flush()

    assert counter.labels("accepted")._value.get() == 4


def test_every_metric_says_what_it_is() -> None:
    """One prefix, a sentence each, and no label that could hold an account or an address."""
    found = {name: value for name, value in vars(metrics).items() if isinstance(value, Counter | Gauge)}

    assert found
    for metric in found.values():
        (family,) = metric.collect()
        assert family.name.startswith("latchstring_")
        assert family.documentation.endswith(".")
        assert set(metric._labelnames) <= {"outcome", "remembered", "status"}
