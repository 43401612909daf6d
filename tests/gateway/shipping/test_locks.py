"""Locks: alone, together, and first alone and then together."""

import contextlib
import threading
from pathlib import Path

import pytest

from latchstring_gateway.shipping.locks import LockedError, locked


def test_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """The second is told, and may have it afterwards."""
    lock = tmp_path / "lock"
    with locked(lock), pytest.raises(LockedError, match="held by another process"), locked(lock):
        pass
    with locked(lock):
        pass


def test_lock_is_waited_for_as_long_as_was_said(tmp_path: Path) -> None:
    """Whoever holds it for a moment only is not in the way."""
    lock = tmp_path / "lock"
    held = contextlib.ExitStack()
    held.enter_context(locked(lock))
    threading.Timer(0.05, held.close).start()

    with locked(lock, patience_seconds=20):
        pass
