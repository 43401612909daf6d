"""Counts of hot paths: plain integers that are handed over to their metrics once a second."""

from collections.abc import Callable

from prometheus_client import Counter


class HotCount:
    """A count kept in one integer; `flush` moves it into its metric."""

    __slots__ = ("_child", "pending")

    def __init__(self, counter: Counter, *labels: str) -> None:
        self._child = counter.labels(*labels) if labels else counter
        #: Add to it: 0.03 µs, where a metric in shared memory costs 1.
        self.pending = 0

    def flush(self) -> None:
        """Hand over what has come together."""
        pending, self.pending = self.pending, 0
        if pending:
            self._child.inc(pending)


class HotTotal:
    """A total that a hot path keeps as a plain integer of its own; `flush` moves its growth into the metric."""

    __slots__ = ("_child", "_read", "_told")

    def __init__(self, counter: Counter, *labels: str, read: Callable[[], int]) -> None:
        self._child = counter.labels(*labels)
        self._read = read
        self._told = 0

    def flush(self) -> None:
        """Hand over what has come together."""
        total = self._read()
        self._child.inc(total - self._told)
        self._told = total
