"""Counts of hot paths arrive in their metrics, once."""

from prometheus_client import CollectorRegistry, Counter

from latchstring_gateway.hot_counts import HotCount, HotTotal


def _counter() -> Counter:
    return Counter("made_for_this", "A test's.", ["outcome"], registry=CollectorRegistry())


def test_a_hot_count_is_handed_over_once() -> None:
    """What was counted arrives when flushed, and not again with the next flush."""
    counter = _counter()
    count = HotCount(counter, "accepted")

    count.pending += 3
    count.flush()
    count.flush()
    count.pending += 1
    count.flush()

    assert counter.labels("accepted")._value.get() == 4


def test_a_total_kept_elsewhere_is_handed_over_as_it_grows() -> None:
    """Each flush adds what came since the last one."""
    counter = _counter()
    totals = iter([3, 3, 4])
    total = HotTotal(counter, "renewed", read=lambda: next(totals))

    for _ in range(3):
        total.flush()

    assert counter.labels("renewed")._value.get() == 4
