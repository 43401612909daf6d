"""A segment as a file: wholly there and locked, or not there at all."""

import errno
import fcntl
import os
import secrets
from pathlib import Path

import pytest

from latchstring_gateway.beacons.segment import Scan, SegmentHeader, ids_of_name
from latchstring_gateway.beacons.segment_file import Disk, Segments, boot_id, finish_segment, make_segment
from latchstring_gateway.clock import ManualClock


class _FullDisk(Disk):
    def reserve(self, descriptor: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "injected")


class _SickDisk(Disk):
    def sync(self, descriptor: int) -> None:
        raise OSError(errno.EIO, "injected")


def _header() -> SegmentHeader:
    return SegmentHeader(secrets.token_bytes(16), boot_id(), 1_234)


def _segments(directory: Path, disk: Disk) -> Segments:
    return Segments(directory, ManualClock(), disk, b"journal!", durable=True, random_bytes=secrets.token_bytes)


def test_open_segment_is_locked_and_a_finished_one_is_not(tmp_path: Path) -> None:
    """Whoever gets the lock knows that the writer is gone."""
    segments = _segments(tmp_path, Disk())
    segment = segments.write_again([(0, [b"x"])])
    descriptor = os.open(segment.path, os.O_RDWR)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    assert segments.settle([segment], None) == []

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def test_full_disk_leaves_nothing_that_could_be_taken_for_a_segment(tmp_path: Path) -> None:
    """A segment is promised only when there is room for it."""
    with pytest.raises(OSError, match="injected"):
        make_segment(tmp_path, _header(), _FullDisk(), durable=True)

    assert list(tmp_path.iterdir()) == []


def test_segment_never_takes_the_place_of_another_file(tmp_path: Path) -> None:
    """Should an id ever come twice, the second maker fails and the first file stays as it is."""
    header = _header()
    first = make_segment(tmp_path, header, Disk(), durable=True)
    first.records = 1

    with pytest.raises(FileExistsError):
        make_segment(tmp_path, header, Disk(), durable=True)

    assert first.path.stat().st_ino == os.fstat(first.descriptor).st_ino
    finish_segment(first, Disk(), durable=False)


def test_segment_without_records_is_removed_when_finished(tmp_path: Path) -> None:
    """Quiet workers leave no litter."""
    segments = _segments(tmp_path, Disk())

    assert segments.settle([segments.make()], None) == []

    assert list(tmp_path.iterdir()) == []


def test_segment_that_cannot_be_synced_is_broken_and_stays_ours(tmp_path: Path) -> None:
    """After a failed fsync the file is not given away as finished; what was not answered can still be cut off."""
    good = _segments(tmp_path, Disk())
    segment = good.write_again([(0, [b"x"])])
    sick = _segments(tmp_path, _SickDisk())

    assert sick.settle([], segment) == [segment]
    assert segment.broken

    segment.answered_size = 53
    good.let_go([segment])
    assert segment.path.stat().st_size == 53


def test_records_written_again_keep_their_ids(tmp_path: Path) -> None:
    """The copy in the new segment carries the numbers of the first, so one of the two can be told to be a copy."""
    segments = _segments(tmp_path, Disk())
    segment = segments.write_again([(7, [b"a", b"b"]), (20, [b"c"])])
    segments.settle([segment], None)

    scan = Scan(segment.path.read_bytes(), ids_of_name(segment.path.name)[0])
    assert [(r.number, r.payload, r.journal_id) for r in scan] == [
        (7, b"a", b"journal!"),
        (8, b"b", b"journal!"),
        (20, b"c", b"journal!"),
    ]
    assert scan.finished_with == 3
