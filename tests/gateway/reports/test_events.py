"""The table of committed events: every row that counts, under all columns."""

from pathlib import Path

import pyarrow.parquet as pq

from harness.hits import HOUR, NOW_MS, TRUSTED, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.shipping.adjustments import Adjustment, Adjustments, Unit
from latchstring_gateway.shipping.columns import SCHEMA
from latchstring_gateway.shipping.commits import Commits, Count
from latchstring_gateway.shipping.run import Shipper


def _ship(data_dir: Path) -> None:
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()


def test_nothing_committed_is_no_table(tmp_path: Path) -> None:
    """No data is an answer, not an error."""
    with committed_events(tmp_path / "warehouse") as base:
        assert base is None


def test_every_column_is_there_though_no_file_has_it(tmp_path: Path) -> None:
    """A query over old files alone names new columns all the same."""
    write_segment(tmp_path, [pixel(b"p=/a")])
    _ship(tmp_path)
    file = next((tmp_path / "warehouse").rglob("*.parquet"))
    pq.write_table(pq.ParquetFile(file).read().select(SCHEMA.names[:8]), file)

    with committed_events(tmp_path / "warehouse") as base:
        assert base is not None
        assert base.execute("SELECT page, visitor, late FROM events").fetchall() == [("/a", None, None)]
        columns = [name for name, *_ in base.execute("DESCRIBE events").fetchall()]
    assert columns == SCHEMA.names


def test_row_that_turned_out_to_be_a_duplicate_is_left_out(tmp_path: Path) -> None:
    """Until it is folded away it stands in its file, and no report sees it."""
    write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"p=/b")])
    _ship(tmp_path)
    warehouse = tmp_path / "warehouse"
    (commit,) = Commits(warehouse).all()
    with committed_events(warehouse) as base:
        assert base is not None
        record_id, unit = base.execute("SELECT record_id, unit FROM events WHERE page = '/b'").fetchall()[0]
    Adjustments(warehouse).add(
        Adjustment(
            id="A" * 22,
            made_at_ms=NOW_MS,
            commit=commit.segment,
            why="duplicates",
            changes=[Count("pixel", HOUR, good=-1, duplicate=1)],
            gone_rows=[Unit(record_id.hex(), unit)],
        )
    )

    with committed_events(warehouse) as base:
        assert base is not None
        assert base.execute("SELECT page FROM events").fetchall() == [("/a",)]
