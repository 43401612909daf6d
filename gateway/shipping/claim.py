"""Which segments of a journal may be read as final: those whose writer has let go of the lock, alive or dead."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from ..beacons.segment import SUFFIX, ids_of_name
from ..beacons.segment_file import TEMPORARY_SUFFIX


def segments_in(journal: Path) -> list[Path]:
    """The segments of a journal directory, open ones too, oldest first by time of last change."""
    found = []
    for path in journal.glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError, ValueError):
            ids_of_name(path.name)
            found.append((path.stat().st_mtime_ns, path.name, path))
    return [path for _, _, path in sorted(found)]


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[int | None]:
    """Lock a segment, if nobody writes it: gives its descriptor, or None if it is in use or gone.

    Inode and name are compared after the lock was got: while we waited in `open`, the name may have come to mean
    another file, or none.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_it = os.path.samestat(os.fstat(descriptor), path.stat())
        except (BlockingIOError, FileNotFoundError):
            is_it = False
        yield descriptor if is_it else None
    finally:
        os.close(descriptor)


def sweep_unborn(journal: Path) -> None:
    """Remove what is left of segments whose maker died before they had a name; nothing was answered from them."""
    for path in journal.glob(f"*{TEMPORARY_SUFFIX}"):
        with claimed(path) as descriptor:
            if descriptor is not None:
                path.unlink(missing_ok=True)


def read_whole(descriptor: int) -> bytes:
    """All bytes of an open file, from its start."""
    size = os.fstat(descriptor).st_size
    parts = []
    offset = 0
    while offset < size and (part := os.pread(descriptor, size - offset, offset)):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)
