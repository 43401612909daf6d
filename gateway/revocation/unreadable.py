"""Rows of the registry that cannot be read: their workers may hold a fence, so receipts wait for them all the same.

What such a worker can accept is bounded by what is known without its row: it accepts no lease longer than that lease
runs, and no lease of the deployment runs longer than the longest that its workers ever announced. What a proxy caches
behind it is taken to be the longest that one caches behind the others: that is one setting of a deployment. A row that
has no pulse either is nobody's, and is struck like any worker that has been silent for too long.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from .. import logs, metrics
from .receipt import Registered, WorkerRow

#: The greatest LEASE_SECONDS and FENCE_SECONDS that settings take.
LONGEST_LEASE_MS: Final = 3_600_000
LONGEST_FENCE_MS: Final = 60_000
#: The other spans have no such bound; what is longer is no number of milliseconds.
_LONGEST_SPAN_MS: Final = 2**53
_REMEDY: Final = "restart that worker, or, if there is none of this name, HDEL it from the registry"

_log: Final = logs.get("revocation")


def parsed(worker: str, text: str, pulse_ms: str | None, now_ms: int) -> Registered:
    """A worker of the registry; `is_readable` is false, and its limits the widest, if its row is none."""
    try:
        pulse = int(pulse_ms or 0)
    except ValueError:
        # It said something just now, for all that is known.
        pulse = now_ms
    try:
        row = WorkerRow.from_json(text)
        if row.fence_ms > LONGEST_FENCE_MS or max(row.last_known_good_ms, row.verify_cache_ms) > _LONGEST_SPAN_MS:
            raise ValueError("expected spans that settings take")
        return Registered(worker, row, pulse)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Registered(worker, _widest(LONGEST_LEASE_MS, 0), pulse, is_readable=False)


class UnreadableRows:
    """Names unreadable rows, each once, and bounds what their workers may accept."""

    def __init__(self) -> None:
        self._named: frozenset[str] = frozenset()

    def bounded(self, workers: Sequence[Registered], own: WorkerRow, lease_max_ms: int) -> tuple[Registered, ...]:
        """The workers, the unreadable ones by the longest lease of the deployment (0: not known yet)."""
        unreadable = frozenset(one.worker for one in workers if not one.is_readable)
        for worker in sorted(unreadable - self._named):
            _log.error("registry_row_unreadable", worker=worker, remedy=_REMEDY)
        self._named = unreadable
        metrics.UNREADABLE_ROWS.set(len(unreadable))
        if not unreadable:
            return tuple(workers)
        cache_ms = max([own.verify_cache_ms, *(one.row.verify_cache_ms for one in workers if one.is_readable)])
        row = _widest(lease_max_ms or LONGEST_LEASE_MS, cache_ms)
        return tuple(one if one.is_readable else replace(one, row=row) for one in workers)


def _widest(lease_ms: int, cache_ms: int) -> WorkerRow:
    return WorkerRow(LONGEST_FENCE_MS, "last-known-good", lease_ms, cache_ms)
