"""The file in which a node remembers its store, and by which a copied data directory is told from the original.

    1800000000123 5400237 1796061206656941527 1796061206661941527
    when the store was last seen well (its clock, ms), then of this very file: inode, birth and last change (ns)

A copy is another file: `cp`, `tar`, `rsync` and the like cannot give it the inode and birth time (statx(2)) that it
states, and the file is made anew every second while the store is well, so that one put back in place states those of
a former file. Renaming, remounting, `chmod` and `chown` change neither. An image of the whole volume changes nothing.
"""

import contextlib
import ctypes
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Some file systems keep a birth time less exactly on the disk than in memory.
_BIRTH_TOLERANCE_NS: Final = 1_000_000_000
#: Between stating the last change and making it; only used where there is no birth time.
_CHANGE_TOLERANCE_NS: Final = 10_000_000_000

# statx(2): its flag and mask, and where the birth time stands in the answer.
_AT_EMPTY_PATH: Final = 0x1000
_STATX_BTIME: Final = 0x800
_BTIME_OFFSET: Final = 80
_STATX_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Birth:
    """What tells a file from a copy of it. `born_ns` is 0 where the file system or the C library does not say."""

    inode: int
    born_ns: int
    changed_ns: int

    def is_copy(self, stated: "Birth") -> bool:
        """Whether a file with this birth, which states the other one, was written by somebody else."""
        if self.born_ns and stated.born_ns:
            apart_ns = abs(self.born_ns - stated.born_ns)
            return apart_ns >= _BIRTH_TOLERANCE_NS or (apart_ns > 0 and self.inode != stated.inode)
        # Inodes alone prove nothing: some network file systems number anew at each mount. Nobody can set the time of
        # the last change, and a copy's is that of the copying.
        return self.inode != stated.inode and abs(self.changed_ns - stated.changed_ns) >= _CHANGE_TOLERANCE_NS


@dataclass(frozen=True, slots=True)
class Remembered:
    """`seen_ms`: when the store was last seen well; 0 is never. `is_copy`: this file was copied, and all beside it."""

    seen_ms: int
    is_copy: bool


def read(path: Path) -> Remembered | None:
    """None if there is no such file. One that cannot be read, torn by a power loss for example, says nothing."""
    try:
        with path.open("rb") as file:
            text, found = file.read(200), _birth_of(file.fileno())
        seen_ms, *stated = (int(word) for word in text.decode("ascii").split())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return Remembered(0, is_copy=False)
    # Former versions wrote only the time.
    return Remembered(seen_ms, is_copy=len(stated) == 3 and found.is_copy(Birth(*stated)))


def write(path: Path, seen_ms: int) -> None:
    """Make the file anew; does not wait for the disk. A failure leaves the former one."""
    # All workers of a node write the same file.
    made = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        # Never over an older one: what is opened must be born now.
        made.unlink(missing_ok=True)
        with made.open("xb") as file:
            birth = _birth_of(file.fileno())
            file.write(f"{seen_ms} {birth.inode} {birth.born_ns} {birth.changed_ns}\n".encode())
        made.replace(path)


def _birth_of(fd: int) -> Birth:
    found = os.fstat(fd)
    return Birth(found.st_ino, _born_ns(fd), found.st_ctime_ns)


def _born_ns(fd: int) -> int:
    answer = ctypes.create_string_buffer(_STATX_BYTES)
    try:
        failed = ctypes.CDLL(None).statx(fd, b"", _AT_EMPTY_PATH, _STATX_BTIME, answer)
    except (AttributeError, OSError):
        return 0  # not Linux, or an old C library
    (mask,) = struct.unpack_from("=I", answer.raw)
    if failed or not mask & _STATX_BTIME:
        return 0
    seconds, nanoseconds = struct.unpack_from("=qI", answer.raw, _BTIME_OFFSET)
    return int(seconds * 1_000_000_000 + nanoseconds)
