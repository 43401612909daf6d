"""Cells: made once by the keeper, they say exactly what the events say, and go when the events do."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import warehouse
from harness.hits import HOUR, NOW_MS
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.retention import LONGEST_REPORT_MS, Keeper
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.shipping import cells
from latchstring_gateway.shipping.adjustments import Adjustment, Adjustments, Unit
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.commits import Commits, Count
from latchstring_gateway.shipping.visitors import sketch, together

_DAY_MS = 86_400_000

_EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "received_at": st.integers(NOW_MS - 3 * _DAY_MS, NOW_MS + _DAY_MS),
            "page": st.sampled_from(["/a", "/b", None]),
            "type": st.sampled_from(["view", "click"]),
            "country": st.sampled_from(["NL", None]),
            "machine": st.sampled_from([None, None, "bot"]),
            "visitor": st.one_of(st.none(), st.integers(0, 30).map(str)),
        }
    ),
    max_size=40,
)


def _summed(data_dir: Path) -> dict[tuple[Any, ...], tuple[int, bytes]]:
    """All cells of a warehouse by day and keys, those of one key added up; visitors of loose events from these."""
    found: dict[tuple[Any, ...], tuple[int, bytes]] = {}
    keys = ", ".join(("day", "coarse", *cells.KEYS))
    with committed_events(data_dir / "warehouse", sums=True) as base:
        assert base is not None
        made = base.execute(f"SELECT {keys}, events, visitors, [] FROM cells").fetchall()
        made += base.execute(f"SELECT {keys}, 0, NULL, pseudonyms FROM ({cells.cells_of('loose')})").fetchall()
    for *key, events, visitors, pseudonyms in made:
        before, sketches = found.get(tuple(key), (0, sketch([])))
        parts = [sketches, sketch(pseudonyms or []), *([visitors] if visitors else [])]
        found[tuple(key)] = (before + events, together(parts))
    return found


def _files(data_dir: Path) -> list[Path]:
    return sorted((data_dir / "warehouse" / cells.DIRECTORY).glob("*"))


@settings(max_examples=5, deadline=None)
@given(segments=st.lists(_EVENTS, min_size=1, max_size=5))
def test_cells_of_hours_and_days_are_those_of_the_raw_events(
    tmp_path_factory: pytest.TempPathFactory, segments: list[Any]
) -> None:
    """Rebuilt from raw or kept up hour by hour: the same counts and, byte for byte, the same sketches."""
    data_dir, clock = tmp_path_factory.mktemp("data"), ManualClock()
    keeper = Keeper(data_dir / "warehouse", clock)
    events = [{"page": "/always"}, *(event for segment in segments for event in segment)]
    for segment in [events[:1], *segments]:
        if segment:
            warehouse.commit(data_dir, segment)
    raw = _summed(data_dir)

    for _ in range(4):
        while keeper.keep():
            assert _summed(data_dir) == raw
        clock.advance(_DAY_MS / 1_000)
    catalogue = read_catalogue(data_dir / "warehouse")
    for commit in catalogue.commits:
        cells.make_cells(catalogue, commit, events_at_a_time=10)
    assert _summed(data_dir) == raw
    for file in _files(data_dir):
        file.unlink()

    assert _summed(data_dir) == raw
    assert sum(count for (_, coarse, *_), (count, _) in raw.items() if coarse) == len(events)


def _folded(data_dir: Path) -> tuple[Keeper, ManualClock]:
    clock = ManualClock()
    for visitor in ("1", "2"):
        warehouse.commit(data_dir, [{"page": "/a", "visitor": visitor}])
    clock.advance(2 * _DAY_MS / 1_000)
    keeper = Keeper(data_dir / "warehouse", clock)
    while keeper.keep():
        pass
    return keeper, clock


def test_reports_read_the_sums_and_not_the_events(tmp_path: Path) -> None:
    """Where cells are, the events are not counted again."""
    _folded(tmp_path)
    (file,) = _files(tmp_path)
    with committed_events(tmp_path / "warehouse", sums=True) as base:
        assert base is not None
        assert base.execute("SELECT count(*) FROM loose").fetchall() == [(0,)]
        assert base.execute("SELECT sum(events) FROM cells WHERE NOT coarse").fetchall() == [(2,)]

    file.unlink()

    with committed_events(tmp_path / "warehouse", sums=True) as base:
        assert base is not None
        assert base.execute("SELECT count(*) FROM loose").fetchall() == [(2,)]


def test_cells_of_rows_that_turned_out_to_be_duplicates_are_not_believed(tmp_path: Path) -> None:
    """Until the duplicate is folded away, the commit is counted from its events."""
    _folded(tmp_path)
    (commit,) = [found for found, over in Commits(tmp_path / "warehouse").everything() if not over]
    with committed_events(tmp_path / "warehouse") as base:
        assert base is not None
        record_id, unit = base.execute("SELECT record_id, unit FROM events WHERE visitor = '2'").fetchall()[0]
    Adjustments(tmp_path / "warehouse").add(
        Adjustment(
            id="A" * 22,
            made_at_ms=NOW_MS,
            commit=commit.segment,
            why="duplicates",
            changes=[Count("pixel", HOUR, good=-1, duplicate=1)],
            gone_rows=[Unit(record_id.hex(), unit)],
        )
    )

    assert cells.due(read_catalogue(tmp_path / "warehouse")) is None
    assert [(count, found) for (_, coarse, *_), (count, found) in _summed(tmp_path).items() if coarse] == [
        (1, sketch(["1"]))
    ]


def test_cells_go_with_what_they_were_made_of(tmp_path: Path) -> None:
    """A sketch is made of pseudonyms; it outlives its events by no more than the longest report."""
    keeper, clock = _folded(tmp_path)
    (before,) = _files(tmp_path)
    for visitor in range(8):
        warehouse.commit(tmp_path, [{"page": "/a", "visitor": str(visitor)}])
    clock.advance(LONGEST_REPORT_MS / 1_000 + 61)
    while keeper.keep():
        pass
    clock.advance(LONGEST_REPORT_MS / 1_000 + 61)
    while keeper.keep():
        pass

    assert before not in _files(tmp_path)
    assert len(_files(tmp_path)) == 1

    expiring = Keeper(tmp_path / "warehouse", clock, keep_days=1)
    for seconds in (2 * _DAY_MS / 1_000, LONGEST_REPORT_MS / 1_000 + 1):
        clock.advance(seconds)
        while expiring.keep():
            pass

    assert _files(tmp_path) == []


def test_half_made_cells_go_with_what_they_had_written_aside(tmp_path: Path) -> None:
    """Pseudonyms that did not fit into memory lie in a folder beside it when the maker dies."""
    _folded(tmp_path)
    (made,) = _files(tmp_path)
    aside = made.with_name(f"{made.name}.part.sums")
    aside.mkdir()
    for left in (aside / "duckdb_temp_storage.tmp", made.with_name(f"{'B' * 22}.parquet.part")):
        left.write_bytes(b"pseudonyms")

    cells.remove_unfinished(tmp_path / "warehouse")

    assert _files(tmp_path) == [made]
