"""Keeping a warehouse: one act at a time, and at each moment every report gives the same answer."""

from pathlib import Path

from harness.hits import TRUSTED, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.retention import LONGEST_REPORT_MS, Keeper
from latchstring_gateway.reports.answer import Value
from latchstring_gateway.reports.ask import ask
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.reports.question import question
from latchstring_gateway.shipping.locks import KEEPER, locked
from latchstring_gateway.shipping.run import Shipper

_DAY_SECONDS = 86_400


def _warehouse(data_dir: Path, segments: int = 10) -> ManualClock:
    clock = ManualClock()
    for number in range(segments):
        write_segment(data_dir, [pixel(b"p=/%d" % (number % 3)), pixel(b"bad")])
    with Shipper(data_dir, clock, TRUSTED) as shipper:
        shipper.ship_once()
    return clock


def _pages(data_dir: Path, clock: ManualClock) -> list[list[Value]]:
    asked = question("pages", {"days": ["3660"]}, now_ms=clock.wall_ms(), partner_people=10)
    return ask(data_dir, asked, clock).rows


def _files(data_dir: Path) -> int:
    folders = ("commits", "events", "dead-letters")
    return sum(1 for folder in folders for file in (data_dir / "warehouse" / folder).rglob("*.*") if file.is_file())


def test_ten_commits_become_one_and_their_files_go_when_no_report_can_read_them(tmp_path: Path) -> None:
    """Thirty files before, three in the end, the same answer all the time."""
    clock = _warehouse(tmp_path)
    keeper = Keeper(tmp_path / "warehouse", clock)
    pages, counted = _pages(tmp_path, clock), ledger(tmp_path).rows
    assert not keeper.keep()

    clock.advance(2 * _DAY_SECONDS)
    assert keeper.keep()
    assert _files(tmp_path) == 33
    assert keeper.keep(), "their sums are made"
    assert not keeper.keep()
    assert _pages(tmp_path, clock) == pages

    clock.advance(LONGEST_REPORT_MS / 1_000 + 1)
    assert keeper.keep()
    assert not keeper.keep()
    assert _files(tmp_path) == 3
    assert _pages(tmp_path, clock) == pages
    assert (ledger(tmp_path).rows, ledger(tmp_path).problems) == (counted, [])


def test_what_is_too_old_goes_and_its_counts_stay(tmp_path: Path) -> None:
    """Rows and dead letters of a day leave together; the ledger still accounts for every hit."""
    clock = _warehouse(tmp_path)
    keeper = Keeper(tmp_path / "warehouse", clock, keep_days=30)
    total = ledger(tmp_path).total

    clock.advance(30 * _DAY_SECONDS)
    while keeper.keep():
        pass
    assert _pages(tmp_path, clock) != []

    clock.advance(_DAY_SECONDS)
    while keeper.keep():
        pass
    assert _pages(tmp_path, clock) == []
    assert (ledger(tmp_path).total, ledger(tmp_path).problems) == (total, [])
    clock.advance(LONGEST_REPORT_MS / 1_000 + 1)
    while keeper.keep():
        pass
    assert _files(tmp_path) == 1


def test_only_one_keeps_at_a_time(tmp_path: Path) -> None:
    """Whoever replays or puts together is not disturbed."""
    clock = _warehouse(tmp_path)
    clock.advance(2 * _DAY_SECONDS)

    with locked(tmp_path / "warehouse" / KEEPER):
        assert not Keeper(tmp_path / "warehouse", clock).keep()
    assert Keeper(tmp_path / "warehouse", clock).keep()
