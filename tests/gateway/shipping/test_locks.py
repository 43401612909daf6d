"""Locks: alone, together, and first alone and then together."""

import contextlib
from pathlib import Path

import pytest

from latchstring_gateway.shipping.locks import LockedError, first_alone, locked, shared


def test_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """The second is told, and may have it afterwards."""
    lock = tmp_path / "lock"
    with locked(lock), pytest.raises(LockedError, match="held by another process"), locked(lock):
        pass
    with locked(lock):
        pass


def test_those_who_share_keep_out_whoever_wants_it_alone(tmp_path: Path) -> None:
    """Any number together, or one."""
    lock = tmp_path / "lock"
    with shared(lock), shared(lock), pytest.raises(LockedError), locked(lock):
        pass


def test_first_one_is_alone_for_a_while_and_the_next_is_not(tmp_path: Path) -> None:
    """Who comes first may sweep; from then on both hold the lock together."""
    lock = tmp_path / "lock"
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        with first_alone(first, lock) as alone:
            assert alone
        with first_alone(second, lock) as alone:
            assert not alone
        with pytest.raises(LockedError), locked(lock):
            pass
    with locked(lock):
        pass
