"""The key ring: loading, who signs when, following the file."""

import os
from pathlib import Path

import pytest

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.tokens.codec import Codec, Reason, Refused
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump, new_key, replace
from latchstring_gateway.tokens.keyring import KeyFileError, KeyRing, create_key_file
from latchstring_gateway.tokens.purposes import Lease

NOW_MS = 1_800_000_000_000


def key(key_id: str, *, created: int = 0, not_before: int = 0, state: KeyState = KeyState.ACTIVE) -> RingKey:
    """A key by its id; `created` and `not_before` are seconds from now."""
    return RingKey(key_id, state, NOW_MS + created * 1_000, NOW_MS + not_before * 1_000, key_id.encode().ljust(32))


def write(path: Path, *keys: RingKey) -> None:
    """Put a key file there, atomically if one exists."""
    if path.exists():
        replace(path, dump(keys))
    else:
        path.write_text(dump(keys))
        path.chmod(0o600)


@pytest.fixture
def clock() -> ManualClock:
    """A clock of this test alone."""
    return ManualClock(wall_ms=NOW_MS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the key file goes."""
    return tmp_path / "keys.json"


class TestLoad:
    """What is read and what is refused."""

    def test_created_file_loads_and_signs(self, path: Path, clock: ManualClock, lease: Lease) -> None:
        """A fresh key file is private and serves at once."""
        create_key_file(path, clock)

        codec = Codec(KeyRing.load(path, clock))

        assert path.stat().st_mode & 0o777 == 0o600
        assert codec.open(codec.seal(lease), Lease) == lease

    def test_create_makes_directories_and_never_overwrites(self, tmp_path: Path) -> None:
        """The data directory may be missing; a second creation fails and leaves the first key."""
        path = tmp_path / "data" / "keys.json"
        create_key_file(path)
        before = path.read_bytes()

        with pytest.raises(FileExistsError):
            create_key_file(path)

        assert path.read_bytes() == before

    def test_missing_file_names_the_remedy(self, path: Path, clock: ManualClock) -> None:
        """Without a key file the error says which command makes one."""
        with pytest.raises(KeyFileError, match="no such file: restore it from a backup"):
            KeyRing.load(path, clock)

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o777])
    def test_file_open_to_others_is_refused(self, path: Path, clock: ManualClock, mode: int) -> None:
        """A key file that anybody but its owner can read or write is not used."""
        write(path, key("aaaa"))
        path.chmod(mode)

        with pytest.raises(KeyFileError, match=f"mode {mode:04o}.*chmod 600"):
            KeyRing.load(path, clock)

    def test_all_problems_at_once(self, path: Path, clock: ManualClock) -> None:
        """Wrong permissions and wrong contents are told together."""
        path.write_text(dump([key("aaaa"), key("aaaa"), key("b")]))
        path.chmod(0o644)

        with pytest.raises(KeyFileError) as caught:
            KeyRing.load(path, clock)

        assert len(caught.value.problems) == 4
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize("kind", ["directory", "pipe"])
    def test_what_is_no_file_is_refused(self, path: Path, clock: ManualClock, kind: str) -> None:
        """A directory or a named pipe in the file's place is an error, not a hang."""
        if kind == "directory":
            path.mkdir()
        else:
            os.mkfifo(path, 0o600)

        with pytest.raises(KeyFileError):
            KeyRing.load(path, clock)

    def test_text_without_active_key_is_refused(self, clock: ManualClock) -> None:
        """A ring that cannot sign is refused, from text as from a file."""
        with pytest.raises(KeyFileError, match="no active key"):
            KeyRing.from_json(dump([key("aaaa", state=KeyState.VERIFY_ONLY)]), clock)


class TestSigningKey:
    """Who signs."""

    def test_newest_signs_once_its_time_has_come(self, clock: ManualClock) -> None:
        """A new key waits for its not-before time, then signs."""
        ring = KeyRing.from_json(dump([key("aaaa"), key("bbbb", created=1, not_before=5)]), clock)

        before = ring.signing_key().id
        clock.advance(4.999)
        still_before = ring.signing_key().id
        clock.advance(0.001)

        assert (before, still_before, ring.signing_key().id) == ("aaaa", "aaaa", "bbbb")

    def test_key_that_a_worker_does_not_know_waits(self, clock: ManualClock) -> None:
        """A key signs only when every registered worker knows it."""
        ring = KeyRing.from_json(dump([key("aaaa"), key("bbbb", created=1)]), clock)

        ring.usable(frozenset({"aaaa"}))
        before = ring.signing_key().id
        ring.usable(frozenset({"aaaa", "bbbb"}))

        assert (before, ring.signing_key().id) == ("aaaa", "bbbb")

    def test_nobody_to_ask_leaves_it_to_the_clock(self, clock: ManualClock) -> None:
        """Without a registry the not-before time alone decides."""
        ring = KeyRing.from_json(dump([key("aaaa"), key("bbbb", created=1)]), clock)

        ring.usable(frozenset())
        ring.usable(None)

        assert ring.signing_key().id == "bbbb"

    def test_oldest_active_signs_when_no_key_qualifies(self, clock: ManualClock) -> None:
        """With no key that all workers know, the oldest active one signs rather than nobody."""
        keys = [key("cccc", created=2), key("aaaa", created=0), key("bbbb", created=1)]
        ring = KeyRing.from_json(dump([*keys, key("zzzz", created=-9, state=KeyState.VERIFY_ONLY)]), clock)

        ring.usable(frozenset())

        assert ring.signing_key().id == "aaaa"

    def test_not_before_holds_back_signing_only(self, clock: ManualClock, lease: Lease) -> None:
        """A token from a worker whose clock is ahead opens here although our not-before has not passed."""
        text = dump([key("aaaa"), key("bbbb", created=1, not_before=5)])
        ahead = ManualClock(wall_ms=NOW_MS + 6_000)

        token = Codec(KeyRing.from_json(text, ahead)).seal(lease)

        assert token.startswith(b"v1.bbbb.")
        assert Codec(KeyRing.from_json(text, clock)).open(token, Lease) == lease

    def test_clock_set_back_returns_to_the_older_key(self, clock: ManualClock) -> None:
        """A wall clock that is set back makes the older key sign again; nothing breaks."""
        ring = KeyRing.from_json(dump([key("aaaa"), key("bbbb", created=1, not_before=5)]), clock)
        clock.advance(10)
        after = ring.signing_key().id

        clock.step_wall(-8)

        assert (after, ring.signing_key().id) == ("bbbb", "aaaa")

    def test_known_ids_are_those_that_verify(self, clock: ManualClock) -> None:
        """What a worker tells the others are its active and verify-only keys."""
        keys = [key("aaaa"), key("bbbb", state=KeyState.VERIFY_ONLY), key("cccc", state=KeyState.RETIRED)]

        assert KeyRing.from_json(dump(keys), clock).known_ids() == {"aaaa", "bbbb"}


class TestReload:
    """Following the file while it changes."""

    def test_unchanged_file_changes_nothing(self, path: Path, clock: ManualClock) -> None:
        """Nothing is read again, and touching the file or copying it over itself raises no version."""
        write(path, key("aaaa"))
        ring = KeyRing.load(path, clock)

        same = ring.reload_if_changed()
        write(path, key("aaaa"))

        assert (same, ring.reload_if_changed(), ring.version) == (False, False, 1)

    def test_new_key_is_taken_up_and_old_tokens_go_on(self, path: Path, clock: ManualClock, lease: Lease) -> None:
        """After a rotation the codec opens what either key signed, and signs with the new one, without a restart."""
        write(path, key("aaaa"))
        ring = KeyRing.load(path, clock)
        codec = Codec(ring)
        old_token = codec.seal(lease)
        write(path, key("aaaa"), key("bbbb", created=1))

        changed = ring.reload_if_changed()

        assert (changed, ring.version) == (True, 2)
        assert codec.open(old_token, Lease) == lease
        assert codec.seal(lease).startswith(b"v1.bbbb.")
        assert codec.open(codec.seal(lease), Lease) == lease

    def test_retired_key_stops_at_the_next_check(self, path: Path, clock: ManualClock, lease: Lease) -> None:
        """Once the ring has seen a retirement, a token it accepted a moment ago is refused."""
        write(path, key("aaaa"), key("bbbb", created=-1))
        ring = KeyRing.load(path, clock)
        codec = Codec(ring)
        token = codec.seal(lease)
        opened_before = codec.open(token, Lease)
        write(path, key("aaaa", state=KeyState.RETIRED), key("bbbb", created=-1))

        ring.reload_if_changed()

        assert opened_before == lease
        assert codec.open(token, Lease) == Refused(Reason.RETIRED_KEY)

    @pytest.mark.parametrize("fault", ["gone", "garbage", "bad base64", "a folder", "open to all", "no active key"])
    def test_broken_file_keeps_the_old_keys(self, path: Path, clock: ManualClock, lease: Lease, fault: str) -> None:
        """A file that breaks while workers run signs nobody out: the old keys stay, and the problem can be logged."""
        write(path, key("aaaa"))
        ring = KeyRing.load(path, clock)
        codec = Codec(ring)
        token = codec.seal(lease)
        if fault == "gone":
            path.unlink()
        elif fault == "garbage":
            path.write_text('{"keys": [')
        elif fault == "bad base64":
            path.write_text(path.read_text().replace('"secret": "Y', '"secret": "!'))
        elif fault == "a folder":
            path.unlink()
            path.mkdir()
        elif fault == "open to all":
            path.chmod(0o644)
        else:
            write(path, key("aaaa", state=KeyState.RETIRED))

        changed = ring.reload_if_changed()

        assert (changed, ring.version) == (False, 1)
        assert isinstance(ring.problem, KeyFileError)
        assert codec.open(token, Lease) == lease

    def test_repaired_file_is_taken_up(self, path: Path, clock: ManualClock) -> None:
        """A repair is noticed, even where only the permissions were wrong, and the problem is gone."""
        write(path, key("aaaa"))
        ring = KeyRing.load(path, clock)
        write(path, key("aaaa"), key("bbbb"))
        path.chmod(0o644)
        ring.reload_if_changed()
        path.chmod(0o600)

        changed = ring.reload_if_changed()

        assert changed
        assert ring.problem is None
        assert ring.known_ids() == {"aaaa", "bbbb"}

    def test_volume_that_comes_back_clears_the_problem(self, path: Path, clock: ManualClock) -> None:
        """A data volume that was away and comes back with the very same file leaves no problem standing."""
        volume, away = path.parent / "volume", path.parent / "away"
        volume.mkdir()
        write(volume / "keys.json", key("aaaa"))
        ring = KeyRing.load(volume / "keys.json", clock)
        volume.rename(away)
        ring.reload_if_changed()
        problem_while_away = ring.problem
        away.rename(volume)

        changed = ring.reload_if_changed()

        assert problem_while_away is not None
        assert ring.problem is None
        assert not changed

    def test_looks_at_a_folder_leak_nothing(self, path: Path, clock: ManualClock) -> None:
        """A folder in the file's place cost a descriptor at each look, one a second: `fdopen` leaves it open."""
        write(path, key("aaaa"))
        ring = KeyRing.load(path, clock)
        path.unlink()
        path.mkdir()
        before = len(list(Path("/proc/self/fd").iterdir()))

        for _ in range(50):
            ring.reload_if_changed()

        assert len(list(Path("/proc/self/fd").iterdir())) == before
        assert ring.problem is not None

    async def test_a_look_in_a_thread_takes_up_the_same(self, path: Path, clock: ManualClock) -> None:
        """As a running worker does it."""
        write(path, key("aaaa"))
        ring = KeyRing.load(path, clock)
        assert not await ring.follow()
        write(path, key("aaaa"), key("bbbb"))

        assert await ring.follow()
        assert ring.known_ids() == {"aaaa", "bbbb"}
        assert not await KeyRing.from_json(dump([key("cccc")]), clock).follow()

    def test_ring_from_text_never_reloads(self, clock: ManualClock) -> None:
        """Keys given as text have no file to follow."""
        assert KeyRing.from_json(dump([new_key(0, not_before_ms=0)]), clock).reload_if_changed() is False
