"""Removes what a process left behind that died between making files and recording them."""

import contextlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from ..clock import Clock
from ..shipping import cells, dead_letters, parquet
from ..shipping.durable import TEMPORARY_SUFFIX
from ..shipping.leftovers import leftovers
from ..shipping.ship import QUARANTINE

#: A half-made file that nobody has touched for so long is nobody's.
_ABANDONED_SECONDS: Final = 3_600


def sweep(warehouse: Path, journal: Path, clock: Clock, *, keep_days: int = 0) -> int:
    """Remove files that no record names, and half-made ones; gives how many. Shippers may be at work.

    Folders in which nothing is left for an hour go, and what is in quarantine for longer than `keep_days` (0: never).
    The caller holds the keeper's lock: nobody compacts, erases or replays meanwhile.
    """
    cells.remove_unfinished(warehouse)
    gone = 0
    for path in leftovers(warehouse, journal):
        path.unlink(missing_ok=True)
        gone += 1
    now_seconds = clock.wall_ms() / 1_000
    gone += _remove_older(
        warehouse.rglob(f"*{TEMPORARY_SUFFIX}"), now_seconds - _ABANDONED_SECONDS, but=_made_in(warehouse)
    )
    if keep_days:
        gone += _remove_older((warehouse / QUARANTINE).glob("*"), now_seconds - keep_days * 86_400)
    for folder in _made_in(warehouse):
        _remove_empty(folder, now_seconds - _ABANDONED_SECONDS)
    return gone


def _made_in(warehouse: Path) -> list[Path]:
    """Where shippers make files: what is half-made there is known by its segment."""
    return [warehouse / directory for directory in (parquet.DIRECTORY, dead_letters.DIRECTORY)]


def _remove_older(paths: Iterable[Path], before_seconds: float, *, but: Collection[Path] = ()) -> int:
    gone = 0
    for path in paths:
        if set(but).isdisjoint(path.parents):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before_seconds:
                    path.unlink()
                    gone += 1
    return gone


def _remove_empty(folder: Path, before_seconds: float) -> None:
    """Remove the folders of days and hours that hold nothing; one that was made just now is about to be used."""
    for path in sorted(folder.glob("dt=*/**/"), key=lambda one: len(one.parts), reverse=True):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before_seconds:
                path.rmdir()
