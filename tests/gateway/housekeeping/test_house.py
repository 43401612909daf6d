"""Everything that keeps a warehouse, each in its turn: what one raises stops no other, and no shipper waits."""

import threading
from pathlib import Path

import duckdb
import pytest

from harness.hits import NOW_MS, TRUSTED, pixel, write_segment
from harness.people import ask_to_erase, erasing_house, forgetting_shipper
from harness.waiting import wait_until
from latchstring_gateway import metrics
from latchstring_gateway.background import Work
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.housekeeping import house as house_module
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.commits import Commits
from latchstring_gateway.shipping.erasures import Erasures
from latchstring_gateway.shipping.locks import KEEPER, locked
from latchstring_gateway.shipping.run import Shipper


def test_one_task_that_always_fails_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compaction meets a file that cannot be read; erasures and the ledger's metrics go on, and the failure is seen."""
    monkeypatch.setattr(house_module, "REST_SECONDS", 0.01)
    with forgetting_shipper(tmp_path, SystemClock()) as shipper:
        write_segment(tmp_path, [pixel(b"p=/hers&consent=granted&user=ada"), pixel(b"p=/others")])
        shipper.ship_once()
    erasure = ask_to_erase(tmp_path, users=["ada"], at_ms=SystemClock().wall_ms())
    stop, work = threading.Event(), Work(SystemClock())

    def fails() -> bool:
        raise OSError("no such thing")

    def run() -> None:
        with erasing_house(tmp_path, SystemClock()) as house:
            monkeypatch.setattr(house.keeper, "keep", fails)
            house.run(stop, work)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: _state(tmp_path, erasure) in ("leaving", "complete"), "the erasure is carried out")
        wait_until(lambda: work.overdue() == ["housekeeping_keep"], "the failure is seen")
        wait_until(lambda: metrics.LEDGER.labels("pixel", "good")._value.get() >= 1, "the sums are published")
    finally:
        stop.set()
        thread.join()


def _state(data_dir: Path, erasure: str) -> str:
    found = Erasures(data_dir / "warehouse").read(erasure)
    return "" if found is None else found.state


def test_a_shipper_ships_while_housekeeping_holds_its_lock(tmp_path: Path) -> None:
    """A compaction may take minutes; hits are committed meanwhile, also by a shipper that is started in between."""
    with locked(_warehouse(tmp_path) / KEEPER):
        write_segment(tmp_path, [pixel(b"p=/a")])
        with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
            assert shipper.ship_once() == 1


def _warehouse(data_dir: Path) -> Path:
    (data_dir / "warehouse").mkdir()
    return data_dir / "warehouse"


def test_one_hour_that_cannot_be_compacted_stops_no_other(tmp_path: Path) -> None:
    """A file of rows was cut short: its hour is named and left alone for an hour, the others go on."""
    clock = ManualClock()
    for hour in range(2):
        for _ in range(8):
            write_segment(tmp_path, [pixel(b"p=/a", at_ms=NOW_MS + hour * 3_600_000)])
    with Shipper(tmp_path, clock, TRUSTED) as shipper:
        shipper.ship_once()
    spoilt = next((tmp_path / "warehouse" / "events").glob("dt=*/hour=08/*.parquet"))
    spoilt.write_bytes(spoilt.read_bytes()[:-10])
    clock.advance(4 * 3_600)

    with House(tmp_path, clock) as house:
        with pytest.raises((OSError, ValueError, duckdb.Error)):
            house.keeper.keep()
        while house.tidy():
            pass

    spans = {commit.span for commit in Commits(tmp_path / "warehouse").all() if commit.span}
    assert spans == {"2027-01-15T09"}
    assert ledger(tmp_path).total.good == 16


def test_what_waits_is_told(tmp_path: Path) -> None:
    """For how long the oldest erasure has waited; nothing once it is done."""
    clock = ManualClock()
    with forgetting_shipper(tmp_path, clock) as shipper:
        write_segment(tmp_path, [pixel(b"p=/hers&consent=granted&user=ada")])
        shipper.ship_once()
    ask_to_erase(tmp_path, users=["ada"], at_ms=clock.wall_ms())
    clock.advance(90)
    with erasing_house(tmp_path, clock) as house:
        house.publish()
        assert metrics.ERASURE_SECONDS._value.get() == 90
        for _ in range(20):
            house.erase()
            house.keeper.keep()
            clock.advance(3_600)
        house.publish()
        assert metrics.ERASURE_SECONDS._value.get() == 0
        assert metrics.INDEX_MISSING._value.get() == 0
