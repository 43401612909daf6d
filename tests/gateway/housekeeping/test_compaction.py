"""Folding: many commits become one, and every answer stays what it was."""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from harness.hits import HOUR, NOW_MS, TRUSTED, batch, pixel, write_segment
from harness.nodes import take_in
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.compaction import compact, to_compact
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.adjustments import Adjustment, Adjustments, Unit
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.columns import SCHEMA
from latchstring_gateway.shipping.commits import Commits, Count, Loss, added_up
from latchstring_gateway.shipping.dead_letters import read_dead_letters
from latchstring_gateway.shipping.run import Shipper

_HOUR_MS = 3_600_000
_TIMES = "received_at, occurred_at, sent_at"
_ALL = f"SELECT epoch_ms(received_at), * EXCLUDE ({_TIMES}) FROM events ORDER BY record_id, unit"


def _ship(data_dir: Path) -> None:
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()


def _answer(data_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    with committed_events(data_dir / "warehouse") as base:
        assert base is not None
        return base.execute(sql).fetchall()


def _fold_all(data_dir: Path) -> None:
    catalogue = read_catalogue(data_dir / "warehouse")
    Commits(data_dir / "warehouse").add(compact(catalogue, "2027-01-15", catalogue.commits, now_ms=NOW_MS))


def test_rows_letters_and_counts_are_the_same_in_one_record(tmp_path: Path) -> None:
    """One sorted file for each hour, one file of dead letters, one line in the ledger for each source and hour."""
    for number in range(5):
        late = [pixel(b"p=/late", at_ms=NOW_MS + _HOUR_MS), batch(b'{"page":"/c","id":"%d"}' % number)]
        write_segment(tmp_path, [pixel(b"p=/b"), pixel(b"p=/a%d" % number), pixel(b"bad"), *late])
    _ship(tmp_path)
    rows = _answer(tmp_path, _ALL)
    before = ledger(tmp_path)

    _fold_all(tmp_path)

    (commit,) = Commits(tmp_path / "warehouse").all()
    assert [(entry.path.rpartition("/")[0], entry.rows) for entry in commit.events] == [
        ("events/dt=2027-01-15/hour=08", 15),
        ("events/dt=2027-01-15/hour=09", 5),
    ]
    table = pq.ParquetFile(tmp_path / "warehouse" / commit.events[0].path).read()
    assert table.schema.equals(SCHEMA)
    assert table["page"].to_pylist() == sorted(table["page"].to_pylist())
    assert commit.dead_letters is not None
    assert len(list(read_dead_letters(tmp_path / "warehouse" / commit.dead_letters.path))) == 5
    assert len(commit.folded) == before.segments == 5
    assert _answer(tmp_path, _ALL) == rows
    after = ledger(tmp_path)
    assert (after.rows, after.segments, after.problems) == (before.rows, 5, [])


def test_segment_that_was_folded_is_not_shipped_again(tmp_path: Path) -> None:
    """Also when the index is lost and a power loss brings the segment back."""
    path = write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h")])
    data = path.read_bytes()
    write_segment(tmp_path, [pixel(b"p=/b")])
    _ship(tmp_path)
    _fold_all(tmp_path)
    for file in (tmp_path / "warehouse").glob("seen*"):
        file.unlink()
    for commit, superseded in Commits(tmp_path / "warehouse").everything():
        if superseded:
            Commits(tmp_path / "warehouse").remove(commit.segment)

    path.write_bytes(data)
    write_segment(tmp_path, [pixel(b"p=/a", hit_id=b"h")])
    _ship(tmp_path)
    take_in(tmp_path)

    assert not path.exists()
    assert ledger(tmp_path).total == Count("all", "", received=3, good=2, duplicate=1)


def test_adjustments_are_worked_in(tmp_path: Path) -> None:
    """Rows that count no more are gone from the file, and the counts say what they said before."""
    write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"p=/b"), pixel(b"bad")])
    _ship(tmp_path)
    warehouse = tmp_path / "warehouse"
    (commit,) = Commits(warehouse).all()
    ((record_id, unit),) = _answer(tmp_path, "SELECT record_id, unit FROM events WHERE page = '/a'")
    assert commit.dead_letters is not None
    (letter,) = read_dead_letters(warehouse / commit.dead_letters.path)
    Adjustments(warehouse).add(
        Adjustment(
            id="A" * 22,
            made_at_ms=NOW_MS,
            commit=commit.segment,
            why="duplicates",
            changes=[Count("pixel", HOUR, good=-1, bad=-1, duplicate=2)],
            gone_rows=[Unit(record_id.hex(), unit)],
            gone_letters=[Unit(letter.record_id, letter.unit)],
        )
    )
    before = ledger(tmp_path)
    assert before.problems == []
    assert before.total == Count("all", "", received=3, good=1, duplicate=2)
    assert _answer(tmp_path, "SELECT page FROM events") == [("/b",)]

    _fold_all(tmp_path)

    (folded,) = Commits(warehouse).all()
    assert folded.counts == [Count("pixel", HOUR, received=3, good=1, duplicate=2)]
    assert pq.ParquetFile(warehouse / folded.events[0].path).read()["page"].to_pylist() == ["/b"]
    assert folded.dead_letters is None
    assert (ledger(tmp_path).total, ledger(tmp_path).problems) == (before.total, [])


def test_power_losses_and_damage_are_remembered(tmp_path: Path) -> None:
    """What may be missing is told for ever."""
    path = write_segment(tmp_path, [pixel(b"p=/a")])
    data = path.read_bytes()[:-32] + b"damage" * 20
    path.unlink()
    segment = path.name.partition(".")[0]
    (path.parent / f"{segment}.{'A' * 22}.segment").write_bytes(data)
    write_segment(tmp_path, [pixel(b"p=/b")])
    _ship(tmp_path)
    before = ledger(tmp_path)

    _fold_all(tmp_path)

    after = ledger(tmp_path)
    assert before.power_losses == after.power_losses == [Loss(segment, NOW_MS, 1, 10)]
    assert (before.damaged_ranges, before.damaged_bytes) == (after.damaged_ranges, after.damaged_bytes) == (1, 120)


def test_files_of_before_a_column_was_added_are_folded_with_new_ones(tmp_path: Path) -> None:
    """What an old file does not have is NULL."""
    write_segment(tmp_path, [pixel(b"p=/old")])
    _ship(tmp_path)
    file = next((tmp_path / "warehouse").rglob("*.parquet"))
    pq.write_table(pq.ParquetFile(file).read().drop_columns(["consent", "late"]), file)
    write_segment(tmp_path, [pixel(b"p=/new")])
    _ship(tmp_path)

    _fold_all(tmp_path)

    assert _answer(tmp_path, "SELECT page, consent FROM events ORDER BY page") == [("/new", "unknown"), ("/old", None)]


def test_fold_that_fails_changes_nothing(tmp_path: Path) -> None:
    """A file that cannot be read leaves everything as it is."""
    for number in range(3):
        write_segment(tmp_path, [pixel(b"p=/%d" % number)])
    _ship(tmp_path)
    catalogue = read_catalogue(tmp_path / "warehouse")
    first = tmp_path / "warehouse" / catalogue.commits[0].events[0].path
    data = first.read_bytes()
    first.write_bytes(b"spoilt")

    with pytest.raises((OSError, ValueError, duckdb.Error)):
        compact(catalogue, "2027-01-15", catalogue.commits, now_ms=NOW_MS)
    first.write_bytes(data)

    assert ledger(tmp_path).problems == []
    assert [*(tmp_path / "warehouse/events").rglob("*.part*")] == []


def _commit(data_dir: Path, *hours: int) -> None:
    write_segment(data_dir, [pixel(b"p=/a", at_ms=NOW_MS + hour * _HOUR_MS) for hour in hours])
    _ship(data_dir)


@pytest.mark.parametrize(
    ("commits", "closed_before", "folded"),
    [
        ([(0,)] * 8, "2027-01-15T08", None),
        ([(0,)] * 8, "2027-01-15T09", ("2027-01-15T08", 8)),
        ([(0,)] * 7, "2027-01-15T09", None),
        ([(-1, 0)] * 8, "2027-01-15T08", None),
        ([(0,), (5,)], "2027-01-16T00", ("2027-01-15", 2)),
        ([(0,)], "2027-01-20T00", None),
        ([(-9,), (-9,), (0,)], "2027-01-16T00", ("2027-01-14", 2)),
    ],
)
def test_what_is_folded_next(
    tmp_path: Path, commits: list[tuple[int, ...]], closed_before: str, folded: tuple[str, int] | None
) -> None:
    """Hours once they are over and worth it, days once they are over, oldest first; what may grow is left alone."""
    for hours in commits:
        _commit(tmp_path, *hours)

    found = to_compact(read_catalogue(tmp_path / "warehouse"), closed_before)

    assert (None if found is None else (found[0], len(found[1]))) == folded


def test_day_that_was_folded_waits_until_enough_has_come_late(tmp_path: Path) -> None:
    """A big file is not written again for each late segment."""
    for _ in range(2):
        _commit(tmp_path, 0)
    _fold_all(tmp_path)
    for late in range(1, 9):
        found = to_compact(read_catalogue(tmp_path / "warehouse"), "2027-01-20T00")
        assert (found is not None) == (late == 8)
        _commit(tmp_path, 0)


def test_counts_are_added_up_by_source_and_hour() -> None:
    """In order, each once, changes that are negative included."""
    counts = [Count("b", "h1", good=1), Count("a", "h2", bad=2), Count("b", "h1", good=-1, duplicate=1)]

    assert added_up(counts) == [Count("b", "h1", duplicate=1), Count("a", "h2", bad=2)]
