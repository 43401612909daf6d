"""Only segments that nobody writes are claimed, and only under the name they still have."""

import os
import secrets
from pathlib import Path

from harness.hits import pixel, write_segment
from latchstring_gateway.beacons.segment_file import Disk, Segments
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.claim import claimed, read_whole, segments_in, sweep_unborn


def _open_segments(data_dir: Path) -> Segments:
    return Segments(
        data_dir / "journal", ManualClock(), Disk(), b"journal!", durable=False, random_bytes=secrets.token_bytes
    )


def test_finished_segment_can_be_claimed_once_at_a_time(tmp_path: Path) -> None:
    """Two shippers never read the same segment."""
    path = write_segment(tmp_path, [pixel()])

    with claimed(path) as first, claimed(path) as second:
        assert first is not None
        assert second is None
        assert read_whole(first) == path.read_bytes()


def test_open_segment_cannot_be_claimed_until_its_writer_is_gone(tmp_path: Path) -> None:
    """The lock ends with the writer, however it ends."""
    segment = _open_segments(tmp_path).write_again([(0, [pixel()])])
    with claimed(segment.path) as descriptor:
        assert descriptor is None

    os.close(segment.descriptor)

    with claimed(segment.path) as descriptor:
        assert descriptor is not None


def test_name_that_is_gone_is_not_claimed(tmp_path: Path) -> None:
    """A segment that another has shipped and deleted meanwhile is nobody's."""
    path = write_segment(tmp_path, [pixel()])
    path.unlink()

    with claimed(path) as descriptor:
        assert descriptor is None


def test_only_segments_are_listed(tmp_path: Path) -> None:
    """Foreign files in the directory are left alone."""
    path = write_segment(tmp_path, [pixel()])
    (path.parent / "notes.segment").write_bytes(b"x")
    (path.parent / "notes.txt").write_bytes(b"x")

    assert segments_in(path.parent) == [path]


def test_unborn_segments_are_swept_unless_somebody_is_making_them(tmp_path: Path) -> None:
    """Half-made segments of dead makers go, those of living ones stay."""
    dead, living = tmp_path / "a.making", tmp_path / "b.making"
    dead.write_bytes(b"LATCH")
    living.write_bytes(b"LATCH")

    with claimed(living) as descriptor:
        assert descriptor is not None
        sweep_unborn(tmp_path)

    assert list(tmp_path.iterdir()) == [living]
