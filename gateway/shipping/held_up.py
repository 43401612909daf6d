"""Segments that could not be shipped: each is tried again after a pause that grows, and holds up no other.

    warehouse/shipper-1.trying    what the first shipper is at work on: segment, and how many shippers it has ended

A shipper that dies over a segment leaves that file. The next one lets the others go first.
"""

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from .. import logs, metrics
from ..clock import Clock
from .durable import private_file
from .faults import place_of
from .setbacks import LONGEST_PAUSE_SECONDS, Setbacks

#: The longest pause where the disk or the index refuses, which concerns all segments alike.
LONGEST_DISK_PAUSE_SECONDS: Final = 60.0

_log: Final = logs.get("shipping")


class HeldUp:
    """The segments that one shipper could not ship, by file name; used by one thread."""

    def __init__(self, clock: Clock, trying: Path) -> None:
        self._trying = trying
        self._setbacks = Setbacks(clock)
        self._deaths: dict[str, int] = {}
        with contextlib.suppress(OSError, ValueError):
            name, deaths = trying.read_text().split()
            self._deaths[name] = int(deaths) + 1
            self._hold(name, "the shipper ended over it", failures=self._deaths[name])
        self._publish()

    def __len__(self) -> int:
        return len(self._setbacks)

    def is_due(self, name: str) -> bool:
        """Whether a segment may be tried now."""
        return self._setbacks.is_due(name)

    def begin(self, name: str) -> None:
        """Work on a segment begins: should it end this process, the next one will know."""
        with contextlib.suppress(OSError):
            private_file(self._trying)
            self._trying.write_text(f"{name} {self._deaths.get(name, 0)}")

    def end(self) -> None:
        """It has ended, one way or the other, and so nobody died of it."""
        with contextlib.suppress(OSError):
            self._trying.unlink(missing_ok=True)

    def failed(self, name: str, error: Exception) -> None:
        """A segment could not be shipped."""
        is_disk = isinstance(error, OSError | sqlite3.Error)
        # What a disk says names a file; other exceptions may quote what a visitor sent.
        reason = f"{type(error).__name__}: {error}" if is_disk else place_of(error)
        longest = LONGEST_DISK_PAUSE_SECONDS if is_disk else LONGEST_PAUSE_SECONDS
        self._hold(name, reason, longest_seconds=longest)
        metrics.SEGMENT_FAILURES.inc()
        self._publish()

    def shipped(self, name: str) -> None:
        """A segment is in the warehouse."""
        self._deaths.pop(name, None)
        if self._setbacks.done(name):
            _log.info("segment_no_longer_held_up", segment=name)
            self._publish()

    def keep(self, names: Iterable[str]) -> None:
        """Forget all but these: the others are gone, shipped by somebody else or removed by hand."""
        if self._setbacks.keep(set(names)):
            self._publish()

    def _hold(
        self, name: str, reason: str, *, failures: int | None = None, longest_seconds: float = LONGEST_PAUSE_SECONDS
    ) -> None:
        pause, is_to_name = self._setbacks.hold(name, failures=failures, longest_seconds=longest_seconds)
        if is_to_name:
            _log.error("segment_held_up", segment=name, reason=reason, retry_seconds=pause)

    def _publish(self) -> None:
        metrics.SEGMENTS_HELD_UP.set(len(self._setbacks))
