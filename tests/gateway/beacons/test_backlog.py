"""The backlog: what waits for the shipper, measured, and a limit."""

import os
from pathlib import Path

from latchstring_gateway.beacons.backlog import MEASURE_EVERY_NS, Backlog
from latchstring_gateway.beacons.segment import HEADER_BYTES


def _backlog(directory: Path, *, most_bytes: int = 0, reserve_bytes: int = 0) -> Backlog:
    return Backlog(directory, most_bytes=most_bytes, reserve_bytes=reserve_bytes)


def test_all_segments_count_and_nothing_else(tmp_path: Path) -> None:
    """Size and the age of the longest waiting one; half-made files and strangers are no hits."""
    for name, size, at_ms in (("a.b.segment", 200, 5_000), ("c.d.segment", 150, 3_000), ("e.making", 999, 1_000)):
        (tmp_path / name).write_bytes(bytes(size))
        os.utime(tmp_path / name, ns=(at_ms * 1_000_000, at_ms * 1_000_000))
    backlog = _backlog(tmp_path)

    backlog.measure()

    assert (backlog.size_bytes, backlog.oldest_ms) == (350, 3_000)


def test_an_open_segment_without_a_hit_is_no_backlog(tmp_path: Path) -> None:
    """On a node without hits the age of the backlog rose for ever: each worker holds a segment open from its start."""
    (tmp_path / "a.b.segment").write_bytes(bytes(HEADER_BYTES))
    backlog = _backlog(tmp_path)

    backlog.measure()

    assert (backlog.size_bytes, backlog.oldest_ms) == (HEADER_BYTES, None)
    assert backlog.free_bytes is not None


def test_directory_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    """A worker that cannot make its journal's directory has other worries."""
    backlog = _backlog(tmp_path / "missing", most_bytes=1)

    backlog.measure()

    assert (backlog.size_bytes, backlog.oldest_ms, backlog.refusal) == (0, None, None)


def test_full_is_from_the_limit_on_and_no_limit_is_never_full(tmp_path: Path) -> None:
    """The limit itself is the first size that is too much."""
    limited, unlimited = _backlog(tmp_path, most_bytes=100), _backlog(tmp_path)

    for backlog in (limited, unlimited):
        backlog.size_bytes = 99
    assert limited.refusal is None
    for backlog in (limited, unlimited):
        backlog.size_bytes = 100
    assert limited.refusal == "backlog_full"
    assert unlimited.refusal is None


def test_disk_that_is_nearly_full_takes_no_more(tmp_path: Path) -> None:
    """What is left of it is the shipper's, which frees what it has shipped."""
    free, low = _backlog(tmp_path, reserve_bytes=1), _backlog(tmp_path, reserve_bytes=2**62)

    for backlog in (free, low):
        backlog.measure()

    assert (free.refusal, low.refusal) == (None, "disk_low")


def test_measuring_is_due_once_in_a_second(tmp_path: Path) -> None:
    """Ten thousand files are not looked at for every hit."""
    backlog = _backlog(tmp_path)

    assert backlog.is_due(MEASURE_EVERY_NS)
    assert not backlog.is_due(2 * MEASURE_EVERY_NS - 1)
    assert backlog.is_due(2 * MEASURE_EVERY_NS)
