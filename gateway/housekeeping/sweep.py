"""Removes what a process left behind that died between making files and recording them."""

import contextlib
from pathlib import Path
from typing import Final

from ..clock import Clock
from ..shipping import cells, dead_letters, parquet
from ..shipping.durable import TEMPORARY_SUFFIX
from ..shipping.leftovers import leftovers

#: A half-made file that nobody has touched for so long is nobody's.
_ABANDONED_SECONDS: Final = 3_600


def sweep(warehouse: Path, journal: Path, clock: Clock) -> int:
    """Remove files that no record names, and half-made ones; gives how many. Shippers may be at work.

    The caller holds the keeper's lock: nobody compacts, erases or replays meanwhile.
    """
    cells.remove_unfinished(warehouse)
    gone = 0
    for path in leftovers(warehouse, journal):
        path.unlink(missing_ok=True)
        gone += 1
    made = {warehouse / directory for directory in (parquet.DIRECTORY, dead_letters.DIRECTORY)}
    for path in warehouse.rglob(f"*{TEMPORARY_SUFFIX}"):
        if made.isdisjoint(path.parents):
            with contextlib.suppress(FileNotFoundError):
                if clock.wall_ms() / 1_000 - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
                    gone += 1
    return gone
