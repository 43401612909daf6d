"""The key ring: which keys verify, and which one signs now; follows its file without a restart.

KeyFileError    the file or text is unusable: every problem at once, each with what to do
"""

import os
import stat
from pathlib import Path
from typing import Final, Self, TypeAlias

from ..clock import Clock, SystemClock
from ..one_thread import OneThread
from .keyfile import KeyState, RingKey, dump, new_key, parse, write_new

_MAX_FILE_BYTES: Final = 1 << 20
#: What to do about a lost key file.
NO_KEY_FILE: Final = (
    "restore it from a backup, or make new keys, with which everybody signs in again: `latchstring keys init`"
)
#: What tells one state of a file from the next: device, inode, size, times of change.
Stamp = tuple[int, int, int, int, int]
Read: TypeAlias = tuple[tuple[RingKey, ...], Stamp]
#: How long a look at the file may take before the disk counts as one that does not answer.
LOOK_SECONDS: Final = 2.0


class KeyFileError(Exception):
    """The keys cannot be used; `problems` lists everything found wrong and holds no secret."""

    def __init__(self, source: str, problems: list[str]) -> None:
        super().__init__(source, problems)
        self.source = source
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join([f"cannot use the keys in {self.source}:", *(f"  - {problem}" for problem in self.problems)])


class KeyRing:
    """The keys of one deployment.

    `version` rises whenever the contents change, so that whoever derived something from a key knows to do it again.
    `problem` is why the last `reload_if_changed` kept the old keys, or None. `missing` are ids of keys that are in use
    elsewhere and not here, as others told: their tokens may be good. `path` is the file that is followed, if any.
    """

    def __init__(self, keys: tuple[RingKey, ...], clock: Clock, *, path: Path | None = None) -> None:
        self.version = 1
        self.problem: KeyFileError | None = None
        self.missing: frozenset[str] = frozenset()
        self.path = path
        self._clock = clock
        self._stamp: Stamp | None = None
        self._agreed: frozenset[str] | None = None
        self._thread = OneThread("key file")
        self._adopt(keys)

    @classmethod
    def load(cls, path: Path, clock: Clock) -> Self:
        """The ring of a key file.

        Raises KeyFileError if the file is missing, unreadable, readable by others than its owner, or wrong inside.
        """
        keys, stamp = read_key_file(path)
        ring = cls(keys, clock, path=path)
        ring._stamp = stamp
        return ring

    @classmethod
    def from_json(cls, text: str, clock: Clock) -> Self:
        """The ring of a key file's text (from an environment value, say); it never reloads. Raises KeyFileError."""
        keys, problems = parse(text)
        if problems:
            raise KeyFileError("the given text", problems)
        return cls(keys, clock)

    def known_ids(self) -> frozenset[str]:
        """The ids of the keys that verify here: what a worker tells the others."""
        return self._known_ids

    def retired_ids(self) -> frozenset[str]:
        """The ids of the keys that verify no more."""
        return self.all_ids() - self._known_ids

    def all_ids(self) -> frozenset[str]:
        """The ids of all keys, in whatever state."""
        return frozenset(self._by_id)

    def oldest_ms(self) -> int:
        """When the oldest key that still verifies was made."""
        return min(key.created_at_ms for key in self._keys if key.state is not KeyState.RETIRED)

    def all_keys(self) -> tuple[RingKey, ...]:
        """Every key, the retired ones too, in the order of the file."""
        return self._keys

    def get(self, key_id: str) -> RingKey | None:
        """The key of that id, in whatever state."""
        return self._by_id.get(key_id)

    def usable(self, agreed: frozenset[str] | None) -> None:
        """Say which keys every registered worker has known for long enough; only those sign.

        None (also the state at the start) means there is nobody to ask: then the not-before time alone decides.
        """
        self._agreed = agreed

    def signing_key(self) -> RingKey:
        """The newest active key whose not-before has passed and that is agreed on; else the oldest active one."""
        now_ms, agreed = self._clock.wall_ms(), self._agreed
        for key in self._newest_first:
            if key.not_before_ms <= now_ms and (agreed is None or key.id in agreed):
                return key
        return self._newest_first[-1]

    def is_newest_signing(self) -> bool:
        """Whether no active key still waits for its time."""
        return self.signing_key() is self._newest_first[0]

    def reload_if_changed(self) -> bool:
        """Follow the file; True if the keys changed. One `stat` when it did not; never raises.

        A file that is missing or broken changes nothing: the old keys stay and `problem` says why. For a process that
        has nothing else to do; in an event loop call `follow`.
        """
        return self._take(self._look())

    async def follow(self) -> bool:
        """The same in a thread, of which at most one hangs, should the disk not answer.

        Raises StillHanging after LOOK_SECONDS, and as long as it hangs.
        """
        if self.path is None:
            return False
        return self._take(await self._thread.run(self._look, within_seconds=LOOK_SECONDS))

    def _look(self) -> Read | KeyFileError | None:
        """What the file says, if that may be new; changes nothing."""
        if self.path is None or (self.problem is None and self._stamp == _stamp(self.path)):
            return None
        try:
            return read_key_file(self.path)
        except KeyFileError as error:
            return error
        except Exception as error:
            # Whatever is in the file, it must not end the watch over it.
            what = type(error).__name__
            return KeyFileError(str(self.path), [f"it cannot be read ({what}): restore it from a backup"])

    def _take(self, found: Read | KeyFileError | None) -> bool:
        if found is None:
            return False
        if isinstance(found, KeyFileError):
            self.problem = found
            return False
        keys, self._stamp = found
        self.problem = None
        if keys == self._keys:
            return False
        self._adopt(keys)
        self.version += 1
        return True

    def _adopt(self, keys: tuple[RingKey, ...]) -> None:
        active = [key for key in keys if key.state is KeyState.ACTIVE]
        self._keys = keys
        self._by_id = {key.id: key for key in keys}
        self._known_ids = frozenset(key.id for key in keys if key.state is not KeyState.RETIRED)
        self._newest_first = sorted(
            active, key=lambda key: (key.created_at_ms, key.not_before_ms, key.id), reverse=True
        )


def create_key_file(path: Path, clock: Clock | None = None) -> None:
    """Make a key file with one fresh active key: mode 0600, atomic, on disk when this returns.

    Missing parent directories are made. Raises FileExistsError if there is one already; an existing file is
    never touched, so two processes may race.
    """
    now_ms = (clock or SystemClock()).wall_ms()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_new(path, dump([new_key(now_ms, not_before_ms=now_ms)]))


def _stamp_of(status: os.stat_result) -> Stamp:
    # The change time too: a `chmod` that repairs the permissions must be noticed.
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _stamp(path: Path) -> Stamp | None:
    try:
        return _stamp_of(path.stat())
    except OSError:
        return None


def read_key_file(path: Path, *, need_active: bool = True) -> Read:
    """The keys, and the stamp of exactly the file they were read from; raises KeyFileError as `KeyRing.load` does."""
    problems: list[str] = []
    try:
        # Not blocking: a named pipe in the file's place must not hang the worker.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(str(path), ["it is not a regular file: give the path of a key file"])
            if status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                problems.append(f"others than its owner may read or write it (mode {mode:04o}): run `chmod 600 {path}`")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                text = file.read(_MAX_FILE_BYTES + 1)
        finally:
            # `fdopen` refuses a directory, and then leaves it open.
            os.close(descriptor)
    except FileNotFoundError:
        raise KeyFileError(str(path), [f"there is no such file: {NO_KEY_FILE}"]) from None
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise KeyFileError(str(path), [f"it cannot be read ({reason}): check its owner and path"]) from None
    if len(text) > _MAX_FILE_BYTES:
        problems.append("it is longer than 1 MiB: remove retired keys")
    keys, found = parse(text.decode("utf-8", "replace"), need_active=need_active)
    if problems or found:
        raise KeyFileError(str(path), problems + found)
    return keys, _stamp_of(status)
