"""Change a key file while workers read it: add a key, or stop one from signing or verifying."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace as with_changes
from pathlib import Path

from ..clock import Clock
from .keyfile import KeyState, RingKey, dump, new_key, replace
from .keyring import KeyFileError, read_key_file


class KeyChangeError(Exception):
    """The change would leave the deployment unable to sign, or names no key; the file is untouched."""


def rotate(path: Path, clock: Clock, *, ahead_seconds: float) -> RingKey:
    """Add a fresh active key that may sign `ahead_seconds` from now; on disk when this returns.

    The keys before it stay as they are, so nothing that was signed stops verifying. Workers follow the file and sign
    with the new key once its time has come and all of them know it. Two rotations at once both happen, one after the
    other. Raises KeyFileError.
    """
    with _locked(path):
        keys, _ = read_key_file(path, need_active=False)
        return _add(path, keys, clock, ahead_seconds=ahead_seconds)


def rotate_if_due(path: Path, clock: Clock, *, rotate_seconds: float) -> RingKey | None:
    """Add a fresh key if the newest active one is at least `rotate_seconds` old; None if it is not.

    Any number of workers may call it at once: the age is judged under the file's lock, so one of them rotates.
    Raises KeyFileError, and OSError if the file cannot be replaced.
    """
    with _locked(path):
        keys, _ = read_key_file(path)
        newest_ms = max(key.created_at_ms for key in keys if key.state is KeyState.ACTIVE)
        if clock.wall_ms() - newest_ms < rotate_seconds * 1_000:
            return None
        return _add(path, keys, clock, ahead_seconds=0)


def retire(path: Path, key_id: str, clock: Clock, *, state: KeyState = KeyState.RETIRED) -> None:
    """Put a key into `state`: retired, so that nothing it signed is accepted again, or verify-only.

    Safe to repeat. Raises KeyFileError, and KeyChangeError if there is no such key or no other active key could
    sign at this moment.
    """
    with _locked(path):
        keys, _ = read_key_file(path, need_active=False)
        if key_id not in {key.id for key in keys}:
            raise KeyChangeError(f"there is no key {key_id!a}: see `latchstring keys list`")
        others = [key for key in keys if key.id != key_id and key.state is KeyState.ACTIVE]
        if not others:
            raise KeyChangeError(f"{key_id} is the last active key: run `latchstring keys rotate` first")
        wait_ms = min(key.not_before_ms for key in others) - clock.wall_ms()
        if wait_ms > 0:
            raise KeyChangeError(f"no other key may sign yet: try again in {wait_ms / 1_000:.0f} s")
        replace(path, dump(with_changes(key, state=state) if key.id == key_id else key for key in keys))


def _add(path: Path, keys: tuple[RingKey, ...], clock: Clock, *, ahead_seconds: float) -> RingKey:
    now_ms = clock.wall_ms()
    # Later than every other key even if the clock was set back: the newest key is the one that signs.
    created_at_ms = max([now_ms, *(key.created_at_ms + 1 for key in keys)])
    not_before_ms = now_ms + round(ahead_seconds * 1_000)
    key = new_key(created_at_ms, not_before_ms=not_before_ms, taken_ids={key.id for key in keys})
    replace(path, dump([*keys, key]))
    return key


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the key file's own lock; readers take none, since the file is only ever replaced whole."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            # Why it cannot be opened is told by the reader, in its own words.
            read_key_file(path)
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_current(path, descriptor):
                yield
                return
            # Another writer replaced the file while we waited: lock the one that is there now.
        finally:
            os.close(descriptor)


def _is_current(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        raise KeyFileError(str(path), ["it was removed meanwhile: restore it from a backup"]) from None
