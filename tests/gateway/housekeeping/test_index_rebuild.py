"""The index brought up to what is committed."""

from pathlib import Path

import pytest

from harness.hits import NOW_MS, TRUSTED, batch, pixel, write_segment
from harness.nodes import bring_warehouse, ship, take_in
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.claims import hit_claim
from latchstring_gateway.shipping.commits import Commits
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.shipping.seen import Seen


def _ship(data_dir: Path) -> int:
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        return shipper.ship_once()


def test_lost_index_is_rebuilt_from_the_committed_files(tmp_path: Path) -> None:
    """Whoever deletes the index loses nothing: Parquet files and dead letters know the ids, commits the numbers."""
    hits = [pixel(b"p=/a", hit_id=b"h1"), pixel(b"bad", hit_id=b"h2"), batch(b'{"page":"/a","id":"e1"}')]
    path = write_segment(tmp_path, hits, journal_id=b"journal!")
    assert _ship(tmp_path) == 1
    for file in (tmp_path / "warehouse").glob("seen.sqlite*"):
        file.unlink()

    again = [pixel(b"p=/a", hit_id=b"h1"), pixel(b"bad", hit_id=b"h2"), batch(b'{"id":"e1","page":"/a"}')]
    write_segment(tmp_path, again)
    write_segment(tmp_path, hits[:1], journal_id=b"journal!")
    assert _ship(tmp_path) == 2
    take_in(tmp_path)

    found = ledger(tmp_path)
    assert found.problems == []
    assert not path.exists()
    assert (found.total.good, found.total.bad, found.total.duplicate) == (2, 1, 4)


def test_claims_of_a_segment_that_is_nowhere_are_freed_and_those_of_one_that_waits_are_not(tmp_path: Path) -> None:
    """A shipper died; one of its segments is still in the journal, another was removed by hand."""
    waiting = write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1")])
    (tmp_path / "warehouse").mkdir()
    seen = Seen(tmp_path / "warehouse")
    with seen.transaction():
        for name, hit_id in ((waiting.name.partition(".")[0], "h1"), ("A" * 22, "h2")):
            seen.claim(seen.number(name), [hit_claim(hit_id, at_ms=NOW_MS, offset=53)])
    seen.close()
    write_segment(tmp_path, [pixel(b"p=/b", hit_id=b"h2"), pixel(b"p=/c", hit_id=b"h1")])

    assert _ship(tmp_path) == 2

    counts = [count for commit in Commits(tmp_path / "warehouse").all() for count in commit.counts]
    assert (sum(c.good for c in counts), sum(c.duplicate for c in counts)) == (2, 1)


def test_a_commit_of_any_size_is_taken_in_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild held all rows of a commit as Python objects: 1.15 GB for a day of a million. Both copies of each event
    meet again in different pieces, and each counts once.
    """
    monkeypatch.setattr("latchstring_gateway.housekeeping.index_rebuild.ROWS_AT_A_TIME", 40)
    nodes = [tmp_path / name for name in ("one", "two")]
    for place, node in enumerate(nodes):
        hits = [batch(b'{"page":"/%d","id":"e%d"}' % (n, n), at_ms=NOW_MS + place) for n in range(300)]
        write_segment(node, hits[:: 1 - 2 * place])
        ship(node)
    bring_warehouse(nodes[1], nodes[0])

    with House(nodes[0], ManualClock()) as house:
        while house.take_in():
            pass
        assert house.rebuild.most_rows == 40

    found = ledger(nodes[0])
    assert found.problems == []
    assert (found.total.good, found.total.duplicate) == (300, 300)


def test_a_copy_that_a_shipper_has_in_hand_is_decided_when_it_is_committed(tmp_path: Path) -> None:
    """The index was lost, and a shipper claims a retry at this moment: the older copy waits until that is known."""
    write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1")])
    assert _ship(tmp_path) == 1
    for file in (tmp_path / "warehouse").glob("seen.sqlite*"):
        file.unlink()
    retry = write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h1", at_ms=NOW_MS + 1)])
    seen = Seen(tmp_path / "warehouse")
    with seen.transaction():
        seen.claim(seen.number(retry.name.partition(".")[0]), [hit_claim("h1", at_ms=NOW_MS + 1, offset=53)])
    seen.close()

    with House(tmp_path, ManualClock()) as house:
        for _ in range(3):
            house.take_in()
        assert len(house.rebuild.missing) == 1
        assert _ship(tmp_path) == 1
        for _ in range(3):
            house.take_in()
        assert not house.rebuild.missing

    found = ledger(tmp_path)
    assert found.problems == []
    assert (found.total.good, found.total.duplicate) == (1, 1)
