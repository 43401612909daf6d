"""Every metric: its name, unit and labels. Hot paths count in plain integers that are handed over once a second."""

from typing import Final

from prometheus_client import Counter, Gauge

VERIFY: Final = Counter("latchstring_verify", "Forward-auth answers by outcome.", ["outcome"])
SESSIONS_STARTED: Final = Counter(
    "latchstring_sessions_started", "Sign-ins, by whether the box was ticked.", ["remembered"]
)
BRIDGE: Final = Counter("latchstring_bridge", "Visitors with the website's old cookie, by outcome.", ["outcome"])
REVOCATIONS: Final = Counter("latchstring_revocations", "Revocations by the status of their first receipt.", ["status"])
FENCE_HOLDS: Final = Gauge(
    "latchstring_fence_holds", "1 while this worker may accept leases without the store.", multiprocess_mode="livemin"
)
JOURNAL_HEALTHY: Final = Gauge(
    "latchstring_journal_healthy", "1 while hits can be kept on disk.", multiprocess_mode="livemin"
)


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
