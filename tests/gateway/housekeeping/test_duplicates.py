"""Of two committed copies the earlier one counts, whichever was found first, and the ledger says which went."""

from pathlib import Path

import pytest

from harness.hits import HOUR, NOW_MS, batch, pixel, write_segment
from harness.nodes import bring_warehouse, ship
from latchstring_gateway.housekeeping.compaction import compact
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.adjustments import Adjustments
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.commits import Commits, Count


def _times(data_dir: Path) -> list[tuple[str, int]]:
    with committed_events(data_dir / "warehouse") as base:
        assert base is not None
        return base.execute("SELECT page, epoch_ms(received_at) FROM events ORDER BY page").fetchall()


def _two_nodes(folder: Path) -> tuple[Path, Path]:
    """A retried event, a re-sent hit and a re-sent piece of garbage; each was earlier at the first node."""
    first, second = folder / "first", folder / "second"
    for node, at_ms in ((first, NOW_MS), (second, NOW_MS + 5)):
        event = batch(b'[{"page":"/e","id":"e"},{"page":"/%s"}]' % node.name.encode(), at_ms=at_ms)
        write_segment(node, [event, pixel(b"p=/h", hit_id=b"h", at_ms=at_ms), pixel(b"bad", hit_id=b"g", at_ms=at_ms)])
        ship(node)
    return first, second


@pytest.mark.parametrize("into", ["first", "second"])
def test_earlier_one_counts_whichever_way_warehouses_are_put_together(tmp_path: Path, into: str) -> None:
    """The smaller receipt time wins; the later event, hit and dead letter are duplicates."""
    nodes = dict(zip(("first", "second"), _two_nodes(tmp_path), strict=True))
    target = nodes.pop(into)
    (source,) = nodes.values()
    bring_warehouse(source, target)

    ship(target)

    assert _times(target) == [("/e", NOW_MS), ("/first", NOW_MS), ("/h", NOW_MS), ("/second", NOW_MS + 5)]
    found = ledger(target)
    assert found.problems == []
    assert found.rows == [
        Count("batch", HOUR, received=4, good=3, duplicate=1),
        Count("pixel", HOUR, received=4, good=1, bad=1, duplicate=2),
    ]
    (adjustment,) = Adjustments(target / "warehouse").all()
    assert (len(adjustment.gone_rows), len(adjustment.gone_letters), len(adjustment.duplicates)) == (2, 1, 3)


def test_nothing_is_adjusted_twice(tmp_path: Path) -> None:
    """After the index is lost, and after a crash between the adjustment and the index."""
    first, second = _two_nodes(tmp_path)
    bring_warehouse(second, first)
    ship(first)
    total = ledger(first).total

    for _ in range(2):
        for file in (first / "warehouse").glob("seen*"):
            file.unlink()
        ship(first)

    assert (ledger(first).total, ledger(first).problems) == (total, [])


def test_winner_that_was_folded_meanwhile_wins_or_loses_all_the_same(tmp_path: Path) -> None:
    """Rows are known by their ids, wherever they stand by now."""
    first, second = _two_nodes(tmp_path)
    write_segment(second, [pixel(b"p=/other")])
    ship(second)
    catalogue = read_catalogue(second / "warehouse")
    Commits(second / "warehouse").add(compact(catalogue, "2027-01-15", catalogue.commits, now_ms=NOW_MS))
    bring_warehouse(first, second)

    ship(second)

    assert _times(second) == [
        ("/e", NOW_MS),
        ("/first", NOW_MS),
        ("/h", NOW_MS),
        ("/other", NOW_MS),
        ("/second", NOW_MS + 5),
    ]
    assert ledger(second).problems == []
