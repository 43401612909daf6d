"""P3 where a data directory was put back from a copy: what is in it counts once, and the ledger adds up."""

import shutil
from pathlib import Path

import pytest

from harness.hits import NOW_MS, TRUSTED, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.run import Shipper

pytestmark = pytest.mark.beacons


def _hits(name: str, *, first: int = 0) -> list[bytes]:
    return [
        pixel(b"p=/%s/%d" % (name.encode(), number), hit_id=b"%s-%d" % (name.encode(), number), at_ms=NOW_MS + number)
        for number in range(first, first + 5)
    ]


def _ship(data_dir: Path) -> tuple[int, int, int, list[str]]:
    """Good, duplicate and pending hits after all there is was shipped, and what is wrong with the ledger."""
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        while shipper.ship_once():
            pass
    found = ledger(data_dir)
    return found.total.good, found.total.duplicate, found.total.pending, list(map(str, found.problems))


@pytest.mark.parametrize("what", ["all", "the journal", "the warehouse"])
def test_what_was_put_back_counts_once(tmp_path: Path, what: str) -> None:
    """The whole directory, or a part of it beside what is newer: a segment that was shipped since comes to the journal
    again, and one that is in the warehouse no more is gone from the journal.
    """
    data, backup = tmp_path / "data", tmp_path / "backup"
    write_segment(data, _hits("early"))
    assert _ship(data) == (5, 0, 0, [])
    write_segment(data, _hits("pending"))
    # A tracker's own retry of a hit that is in the warehouse, and one of its neighbour.
    write_segment(data, [*_hits("early")[:2], *_hits("pending")[:1]])
    shutil.copytree(data, backup)
    assert _ship(data) == (10, 3, 0, [])
    write_segment(data, _hits("late"))
    assert _ship(data) == (15, 3, 0, [])

    for part in {"all": ("journal", "warehouse"), "the journal": ("journal",), "the warehouse": ("warehouse",)}[what]:
        shutil.rmtree(data / part)
        shutil.copytree(backup / part, data / part)
    again = _ship(data)
    write_segment(data, [*_hits("early"), *_hits("pending"), *_hits("late")])
    retried = _ship(data)

    # What was lost may come again, by a retry; what is there never counts twice.
    expected = {"all": (10, 3), "the journal": (15, 3), "the warehouse": (5, 0)}[what]
    assert (*again[:2], *again[2:]) == (*expected, 0, [])
    new = 15 - expected[0]
    assert retried == (15, expected[1] + 15 - new, 0, [])
