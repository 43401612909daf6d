"""Reports see what is committed, all of it and nothing else."""

from pathlib import Path

import pyarrow.parquet as pq

from harness.hits import NOW_MS, TRUSTED, batch, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.reports.queries import PageRow, popular_pages
from latchstring_gateway.shipping.run import Shipper


def _ship(data_dir: Path) -> None:
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()


def test_report_of_an_empty_warehouse_is_empty(tmp_path: Path) -> None:
    """No data is an answer, not an error."""
    answer = popular_pages(tmp_path, ManualClock())

    assert (answer.rows, answer.as_of_ms, answer.watermark_ms) == ([], NOW_MS, NOW_MS)


def test_popular_pages_are_ranked_by_people(tmp_path: Path) -> None:
    """Machines are counted apart; only views count as views."""
    prefetch = [(b"sec-purpose", b"prefetch")]
    people = [pixel(b"p=/a"), pixel(b"p=/a"), pixel(b"p=/b"), batch(b'{"page":"/c"}')]
    machines = [pixel(b"p=/a", method=b"HEAD"), *(pixel(b"p=/b", prefetch) for _ in range(3))]
    write_segment(tmp_path, [*people, *machines, pixel(b"p=/a&e=play")])
    _ship(tmp_path)

    answer = popular_pages(tmp_path, ManualClock())

    assert answer.rows == [
        PageRow("/a", gross=3, net=2, bots=0, prefetches=0, heads=1, visitors=0),
        PageRow("/b", gross=4, net=1, bots=0, prefetches=3, heads=0, visitors=0),
        PageRow("/c", gross=1, net=1, bots=0, prefetches=0, heads=0, visitors=0),
    ]


def test_limit_and_time_narrow_the_answer(tmp_path: Path) -> None:
    """The first so many, of the last so long."""
    write_segment(tmp_path, [pixel(b"p=/old", at_ms=NOW_MS - 1), pixel(b"p=/a"), pixel(b"p=/a"), pixel(b"p=/b")])
    _ship(tmp_path)

    assert [row.page for row in popular_pages(tmp_path, ManualClock(), limit=1).rows] == ["/a"]
    assert [row.page for row in popular_pages(tmp_path, ManualClock(), since_ms=NOW_MS).rows] == ["/a", "/b"]


def test_uncommitted_files_are_not_seen_and_the_watermark_tells(tmp_path: Path) -> None:
    """A file without a commit record does not exist; what is pending holds the watermark back."""
    write_segment(tmp_path, [pixel(b"p=/a")])
    _ship(tmp_path)
    file = next((tmp_path / "warehouse").rglob("*.parquet"))
    file.with_name("AAAAAAAAAAAAAAAAAAAAAA.parquet").write_bytes(file.read_bytes())
    write_segment(tmp_path, [pixel(b"p=/waiting")])
    clock = ManualClock()
    clock.advance(60)

    answer = popular_pages(tmp_path, clock)

    assert [(row.page, row.gross) for row in answer.rows] == [("/a", 1)]
    assert (answer.as_of_ms, answer.watermark_ms) == (NOW_MS + 60_000, NOW_MS)


def test_files_from_before_a_column_was_added_are_still_read(tmp_path: Path) -> None:
    """Columns are only ever added; an old file has none of the new ones, and its rows count all the same."""
    write_segment(tmp_path, [pixel(b"p=/old")])
    _ship(tmp_path)
    file = next((tmp_path / "warehouse").rglob("*.parquet"))
    old = pq.ParquetFile(file).read().drop_columns(["app", "consent", "conflict", "late", "machine", "visitor_kind"])
    pq.write_table(old, file)
    write_segment(tmp_path, [pixel(b"p=/new")])
    _ship(tmp_path)

    assert [row.page for row in popular_pages(tmp_path, ManualClock()).rows] == ["/new", "/old"]
