"""Changing the key file under the feet of running workers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyFileError, KeyRing, create_key_file
from latchstring_gateway.tokens.purposes import Lease
from latchstring_gateway.tokens.rotation import KeyChangeError, retire, rotate


@pytest.fixture
def clock() -> ManualClock:
    """A clock of this test alone."""
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path, clock: ManualClock) -> Path:
    """A key file with one key."""
    path = tmp_path / "keys.json"
    create_key_file(path, clock)
    return path


def test_rotation_hands_over_without_losing_a_token(path: Path, clock: ManualClock, lease: Lease) -> None:
    """Two workers that see a rotation at different times accept each other's tokens throughout."""
    early, late = KeyRing.load(path, clock), KeyRing.load(path, clock)
    codecs = Codec(early), Codec(late)
    key = rotate(path, clock, ahead_seconds=5)

    def all_accept_all() -> bool:
        tokens = [codec.seal(lease) for codec in codecs]
        return all(codec.open(token, Lease) == lease for codec in codecs for token in tokens)

    early.reload_if_changed()
    known_by_all = early.known_ids() & late.known_ids()
    early.usable(known_by_all)
    clock.advance(60)
    accepted_while_one_is_late = all_accept_all()
    late.reload_if_changed()
    for ring in (early, late):
        ring.usable(early.known_ids() & late.known_ids())

    assert accepted_while_one_is_late
    assert all_accept_all()
    assert early.signing_key() == late.signing_key() == key


def test_rotation_is_the_newest_key_although_the_clock_was_set_back(path: Path, clock: ManualClock) -> None:
    """A rotation on a machine whose clock is behind still makes the key that will sign."""
    clock.step_wall(-3_600)

    key = rotate(path, clock, ahead_seconds=0)
    clock.step_wall(3_600)

    assert KeyRing.load(path, clock).signing_key() == key


def test_rotations_at_once_all_happen(path: Path, clock: ManualClock) -> None:
    """Simultaneous rotations wait for each other and lose no key."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: rotate(path, clock, ahead_seconds=0), range(16)))

    assert {key.id for key in made} < KeyRing.load(path, clock).known_ids()
    assert len(KeyRing.load(path, clock).known_ids()) == 17


def test_rotation_repairs_a_file_without_active_key(path: Path, clock: ManualClock) -> None:
    """The remedy that the error names works."""
    path.write_text(dump([RingKey("aaaa", KeyState.RETIRED, 0, 0, b"a" * 32)]))

    key = rotate(path, clock, ahead_seconds=5)

    assert KeyRing.load(path, clock).signing_key() == key


def test_retire_refuses_the_last_active_key(path: Path, clock: ManualClock) -> None:
    """The last active key stays, and the error says what to do first."""
    only = KeyRing.load(path, clock).signing_key()
    before = path.read_bytes()

    with pytest.raises(KeyChangeError, match="last active key: run `latchstring keys rotate` first"):
        retire(path, only.id, clock)

    assert path.read_bytes() == before


def test_retire_waits_for_the_successor(path: Path, clock: ManualClock) -> None:
    """A key is not retired while its successor may not sign yet."""
    old = KeyRing.load(path, clock).signing_key()
    rotate(path, clock, ahead_seconds=5)

    with pytest.raises(KeyChangeError, match="try again in 5 s"):
        retire(path, old.id, clock)

    clock.advance(5)
    retire(path, old.id, clock)
    assert old.id not in KeyRing.load(path, clock).known_ids()


@pytest.mark.parametrize("key_id", ["nobody", "", "\x1b[31m"])
def test_retire_of_no_key_is_refused(path: Path, clock: ManualClock, key_id: str) -> None:
    """An id that is not there changes nothing, and control characters do not reach the terminal."""
    with pytest.raises(KeyChangeError, match="there is no key") as caught:
        retire(path, key_id, clock)

    assert str(caught.value).isprintable()


def test_retire_twice_is_the_same_as_once(path: Path, clock: ManualClock) -> None:
    """Retiring may be repeated."""
    old = KeyRing.load(path, clock).signing_key()
    rotate(path, clock, ahead_seconds=0)
    retire(path, old.id, clock)
    once = path.read_bytes()

    retire(path, old.id, clock)

    assert path.read_bytes() == once


def test_changing_a_missing_file_is_told_like_loading_it(tmp_path: Path, clock: ManualClock) -> None:
    """Without a file neither change invents one."""
    with pytest.raises(KeyFileError, match="no such file"):
        rotate(tmp_path / "keys.json", clock, ahead_seconds=0)

    assert list(tmp_path.iterdir()) == []
