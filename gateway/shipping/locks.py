"""Locks of a warehouse, each a file that is held (`flock`) and let go by the system when its holder dies.

warehouse/shipper-1.lock     one shipper's number; -2, … of the others
warehouse/shippers.lock      held together by all who make files; by one alone, while it sweeps after the dead
warehouse/keeper.lock        held by the one who folds, replays or puts together
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SHIPPERS: Final = "shippers.lock"
KEEPER: Final = "keeper.lock"


class LockedError(RuntimeError):
    """Another process holds the lock."""

    def __str__(self) -> str:
        return f"{self.args[0]} is held by another process; try again when it is done"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock alone. LockedError if somebody else has it."""
    descriptor = _open(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(path) from None
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


@contextlib.contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold a lock together with others; waits for one who has it alone."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def first_alone(held: contextlib.ExitStack, path: Path) -> Iterator[bool]:
    """Hold a lock together with others until `held` ends; within the block alone, if nobody else had it (True)."""
    descriptor = _open(path)
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except BlockingIOError:
        alone = False
    yield alone
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
