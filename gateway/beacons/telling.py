"""What a worker's journal tells the metrics, once a second."""

from collections.abc import Callable
from functools import partial
from typing import get_args

from .. import metrics
from ..clock import Clock
from ..hot_counts import HotTotal
from .floods import Floods
from .group import Outcome
from .journal import Journal


def journal_metrics(journal: Journal, floods: Floods, clock: Clock) -> Callable[[], None]:
    """A function that hands over how the journal and its gatekeeper fare."""
    metrics.JOURNAL_FSYNC.labels(journal.fsync).set(1)
    totals = [
        HotTotal(metrics.HITS, outcome, read=partial(journal.outcomes.__getitem__, outcome))
        for outcome in get_args(Outcome)
    ]
    totals.append(HotTotal(metrics.HITS, "too_many", read=lambda: floods.total))

    def tell() -> None:
        metrics.JOURNAL_HEALTHY.set(int(journal.healthy))
        for total in totals:
            total.flush()
        backlog = journal.backlog
        waits_ms = 0 if backlog.oldest_ms is None else max(0, clock.wall_ms() - backlog.oldest_ms)
        metrics.BACKLOG_BYTES.set(backlog.size_bytes)
        metrics.BACKLOG_SECONDS.set(waits_ms / 1_000)
        if backlog.free_bytes is not None:
            metrics.DISK_FREE.set(backlog.free_bytes)
            metrics.DISK_RESERVE.set(backlog.reserve_bytes)

    return tell
