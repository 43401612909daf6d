"""Locks of a warehouse, each a file that is held (`flock`) and let go by the system when its holder dies.

warehouse/shipper-1.lock     one shipper's number; -2, … of the others
warehouse/keeper.lock        held by the one who compacts, erases, sweeps, replays or takes into the index
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

KEEPER: Final = "keeper.lock"
_LOOK_SECONDS: Final = 0.01


class LockedError(RuntimeError):
    """Another process holds the lock."""

    def __str__(self) -> str:
        return f"{self.args[0]} is held by another process; try again when it is done"


@contextlib.contextmanager
def locked(path: Path, *, patience_seconds: float = 0.0) -> Iterator[None]:
    """Hold a lock alone. LockedError if somebody else has it for longer than that."""
    descriptor = _open(path)
    looks = round(patience_seconds / _LOOK_SECONDS)
    try:
        while not _taken(descriptor):
            if looks <= 0:
                raise LockedError(path)
            looks -= 1
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock alone; waits for whoever has it."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
