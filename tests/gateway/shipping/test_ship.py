"""Shipping a segment again gives the same files and the same commit."""

from pathlib import Path

from harness.hits import TRUSTED, batch, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.commits import Commits
from latchstring_gateway.shipping.enrich import Senders
from latchstring_gateway.shipping.seen import Seen
from latchstring_gateway.shipping.ship import SegmentShipper


def test_shipping_again_before_the_commit_gives_the_same(tmp_path: Path) -> None:
    """A crash between files and commit repeats the work: same names, same rows, nothing doubled."""
    path = write_segment(tmp_path, [pixel(b"p=/%d" % n, hit_id=b"h%d" % (n % 7)) for n in range(20)] + [batch(b"bad")])
    warehouse = tmp_path / "warehouse"
    warehouse.mkdir()
    commits, seen = Commits(warehouse), Seen(warehouse)
    shipper = SegmentShipper(warehouse, ManualClock(), Senders(TRUSTED), commits, seen)
    first = shipper.ship(path, path.read_bytes())
    files = {file: file.read_bytes() for file in warehouse.rglob("*.*") if "seen" not in file.name}
    for file in files:
        if file.parent.name == "commits":
            file.unlink()
    seen.close()
    for file in warehouse.glob("seen*"):
        file.unlink()

    seen = Seen(warehouse)
    second = SegmentShipper(warehouse, ManualClock(), Senders(TRUSTED), commits, seen).ship(path, path.read_bytes())

    assert second == first
    assert {file: file.read_bytes() for file in warehouse.rglob("*.*") if "seen" not in file.name} == files
    seen.close()


def test_more_records_than_one_piece_holds(tmp_path: Path) -> None:
    """Long segments are judged piece by piece; duplicates are found across pieces."""
    hits = [pixel(b"p=/%d" % (n % 3), hit_id=b"h%d" % (n % 15_000)) for n in range(25_000)]
    path = write_segment(tmp_path, hits)
    warehouse = tmp_path / "warehouse"
    warehouse.mkdir()
    seen = Seen(warehouse)

    commit = SegmentShipper(warehouse, ManualClock(), Senders(TRUSTED), Commits(warehouse), seen).ship(
        path, path.read_bytes()
    )

    assert commit is not None
    assert [(count.received, count.good, count.duplicate) for count in commit.counts] == [(25_000, 15_000, 10_000)]
    assert [run.last - run.first for run in commit.runs] == [24_999]
    seen.close()
