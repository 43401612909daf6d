"""A segment as a file: made so that it is either wholly there or not at all, and locked for as long as it is written.

Everything the journal asks of the disk goes through `Disk`, so a test can hand it a disk that fails.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..clock import Clock
from ..ids import to_text
from .segment import HEADER_BYTES, FrameEncoder, SegmentHeader, encode_header, segment_name

TEMPORARY_SUFFIX: Final = ".making"

#: A new segment must find this much room, in bytes; else the disk counts as full.
ROOM_BYTES: Final = 1024 * 1024

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> bytes:
    """16 bytes that name this boot of the machine; zeros where the kernel does not say."""
    try:
        return bytes.fromhex(_BOOT_ID.read_text().strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


class Disk:
    """The calls the journal makes; each raises OSError as the system does."""

    def write(self, descriptor: int, data: bytes) -> int:
        """Append; may write less than all."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Wait until everything written is on the disk."""
        os.fsync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(descriptor, size)

    def reserve(self, descriptor: int, size: int) -> None:
        """Make sure that `size` bytes can be written, without writing them."""
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            # A file system that cannot promise room is written to without a promise.
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise


@dataclass(slots=True, eq=False)
class SegmentFile:
    """A segment that this process writes and therefore holds the lock of."""

    path: Path
    descriptor: int
    size: int
    frames: FrameEncoder
    #: How much of the file holds answered records: what may be cut off if the rest turns out not to be kept.
    answered_size: int
    records: int = 0
    #: When its first record was written (CLOCK_BOOTTIME).
    first_record_ns: int = 0
    #: A write or a sync has failed: nothing more may be written, and no later sync proves anything.
    broken: bool = False

    def write(self, disk: Disk, data: bytes) -> str | None:
        """Append frames; None, or why they are not wholly written."""
        try:
            written = disk.write(self.descriptor, data)
        except OSError as error:
            return str(error)
        if written != len(data):
            return f"wrote {written} of {len(data)} bytes"
        self.size += written
        return None

    def cut(self, disk: Disk, size: int) -> None:
        """Take back what stands after `size`; if the disk refuses even that, the segment is broken."""
        try:
            disk.truncate(self.descriptor, size)
        except OSError:
            self.broken = True

    def is_due(self, now_ns: int, max_ns: int, max_bytes: int) -> bool:
        """Whether another one should take its place: it holds enough, or its first record is old enough."""
        return self.size >= max_bytes or (self.records > 0 and now_ns - self.first_record_ns >= max_ns)


def sync_directory(directory: Path) -> None:
    """Make names in `directory` survive a power loss."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_segment(directory: Path, header: SegmentHeader, disk: Disk, *, durable: bool) -> SegmentFile:
    """A new, empty, locked segment; when this returns, its name and header survive a power loss if `durable`.

    Raises OSError, and leaves nothing behind that could be taken for a segment.
    """
    path = directory / segment_name(header.segment_id, header.boot_id)
    temporary = directory / f"{to_text(header.segment_id)}{TEMPORARY_SUFFIX}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    ours = [temporary]
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        disk.reserve(descriptor, ROOM_BYTES)
        disk.truncate(descriptor, 0)
        data = encode_header(header)
        if disk.write(descriptor, data) != len(data):
            raise OSError("short write of a segment's header")
        if durable:
            disk.sync(descriptor)
        # A link, unlike a rename, never takes the place of what already has that name.
        path.hardlink_to(temporary)
        ours.append(path)
        temporary.unlink()
        if durable:
            sync_directory(directory)
    except BaseException:
        for leftover in ours:
            with contextlib.suppress(OSError):
                leftover.unlink()
        os.close(descriptor)
        raise
    return SegmentFile(path, descriptor, HEADER_BYTES, FrameEncoder(header.segment_id), HEADER_BYTES)


def finish_segment(segment: SegmentFile, disk: Disk, *, durable: bool) -> None:
    """Mark the end and let go: from here on the segment is the shipper's. An empty one is removed.

    Raises OSError if it could not be synced; it is then still open and locked.
    """
    if not segment.records:
        with contextlib.suppress(OSError):
            segment.path.unlink()
    else:
        if not segment.broken:
            end = segment.frames.encode_end(segment.size, segment.records)
            # Without its end mark a segment counts as abandoned, which is true enough.
            with contextlib.suppress(OSError):
                disk.write(segment.descriptor, end)
        if durable:
            disk.sync(segment.descriptor)
    os.close(segment.descriptor)


class Segments:
    """The journal's segments in one directory: what waits for the disk, and therefore runs in the journal's thread."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        disk: Disk,
        journal_id: bytes,
        *,
        durable: bool,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._disk = disk
        self._journal_id = journal_id
        self._durable = durable
        self._random_bytes = random_bytes
        self._boot_id = boot_id()
        # A data directory that is made by the way is as private as its journal.
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)

    def make(self) -> SegmentFile:
        """A new segment, ready to be answered from; OSError if the disk does not let us."""
        header = SegmentHeader(self._random_bytes(16), self._boot_id, self._clock.wall_ms())
        return make_segment(self._directory, header, self._disk, durable=self._durable)

    def settle(self, retiring: list[SegmentFile], current: SegmentFile | None) -> list[SegmentFile]:
        """Finish the retiring segments and sync the current one; gives back those it could not (now `broken`)."""
        failed = [segment for segment in retiring if segment.broken]
        for segment in retiring:
            if not segment.broken:
                try:
                    finish_segment(segment, self._disk, durable=self._durable)
                except OSError:
                    segment.broken = True
                    failed.append(segment)
        if current is not None and self._durable:
            try:
                self._disk.sync(current.descriptor)
            except OSError:
                # The kernel may have dropped the pages: a second fsync would say "good" and mean nothing.
                current.broken = True
                failed.append(current)
        return failed

    def write_again(self, batches: list[tuple[int, list[bytes]]]) -> SegmentFile:
        """A new segment with `batches` (first number, payloads) in it, synced.

        The record ids are the old ones, so the shipper drops whichever copy it sees second. Raises OSError, and leaves
        nothing behind.
        """
        fresh = self.make()
        try:
            for number, payloads in batches:
                data = fresh.frames.encode(payloads, fresh.size, self._journal_id, number)
                if self._disk.write(fresh.descriptor, data) != len(data):
                    raise OSError("short write")
                fresh.size += len(data)
            if batches:
                self._disk.sync(fresh.descriptor)
        except OSError:
            finish_segment(fresh, self._disk, durable=False)
            raise
        fresh.records = sum(len(payloads) for _, payloads in batches)
        fresh.answered_size = fresh.size
        return fresh

    def cut_unanswered(self, broken: list[SegmentFile]) -> None:
        """Take back, as far as the disk lets us, records whose senders will be told 503."""
        for segment in broken:
            with contextlib.suppress(OSError):
                self._disk.truncate(segment.descriptor, segment.answered_size)

    def let_go(self, broken: list[SegmentFile]) -> None:
        """Close segments whose records stand in another one by now."""
        self.cut_unanswered(broken)
        for segment in broken:
            os.close(segment.descriptor)
