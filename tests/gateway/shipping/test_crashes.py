"""Journal and shipper killed or short of disk: every acknowledged hit is counted exactly once (see test_p3_kill.py)."""

import shutil
import signal
from pathlib import Path

import pytest

from harness.crashing import counted, run, ship, ship_within, write
from harness.hits import TRUSTED, batch, pixel, write_segment
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.commits import Count
from latchstring_gateway.shipping.run import Shipper

pytestmark = pytest.mark.beacons


def test_shipper_killed_before_each_of_its_calls_in_turn(tmp_path: Path) -> None:
    """Wherever a shipper dies, the next one goes on, and what is sent again afterwards is still known."""
    prepared = tmp_path / "prepared"
    hits = [pixel(b"p=/%d" % number, hit_id=b"h%d" % number) for number in range(8)]
    event = batch(b'{"page":"/e","id":"e"}')
    bad = pixel(b"p=bad", hit_id=b"bad")
    write_segment(prepared, [*hits[:3], event])
    assert run(ship, prepared, 0, 0) == 0
    write_segment(prepared, [*hits[2:6], bad])
    write_segment(prepared, [*hits[5:], event, bad])

    calls = 0
    code: int | None = -signal.SIGKILL
    while code == -signal.SIGKILL:
        calls += 1
        data_dir = tmp_path / str(calls)
        shutil.copytree(prepared, data_dir)
        code = run(ship, data_dir, calls, 0)
        assert ledger(data_dir).problems == []
        with Shipper(data_dir, SystemClock(), TRUSTED) as shipper:
            shipper.ship_once()
        assert ledger(data_dir).total == Count("all", "", received=14, good=9, bad=1, duplicate=4)
        write_segment(data_dir, [*hits, event, bad])
        with Shipper(data_dir, SystemClock(), TRUSTED) as shipper:
            shipper.ship_once()
        assert ledger(data_dir).total == Count("all", "", received=24, good=9, bad=1, duplicate=14)
        assert ledger(data_dir).adds_up
        shutil.rmtree(data_dir)
    assert code == 0
    assert calls > 50


def test_two_services_on_a_copied_data_directory_do_not_collide(tmp_path: Path) -> None:
    """A copy of a running data directory is a data directory of its own: both count all, and on their own."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    write(first, list(range(50)), "interval", 12, "after")
    answered = write(first, list(range(50, 100)), "interval", 0, "never")[1]
    shutil.copytree(first, second)

    for data_dir in (first, second):
        more = write(data_dir, list(range(100, 150)), "interval", 0, "never")[1]
        with Shipper(data_dir, SystemClock(), TRUSTED) as shipper:
            shipper.ship_once()
        found = counted(data_dir)
        assert all(found[f"/watch/{number}"] == 1 for number in answered | more)
        assert ledger(data_dir).adds_up


def test_full_disk_for_the_shipper_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """While the warehouse cannot grow, segments stay in the journal; afterwards each hit is counted once."""
    write_segment(tmp_path, [pixel(b"p=/%d" % number) for number in range(500)])

    code = run(ship_within, tmp_path, 2_000)

    assert code == 1
    found = ledger(tmp_path)
    assert (found.adds_up, found.total.pending, found.total.good) == (True, 500, 0)
    assert run(ship, tmp_path, 0, 0) == 0
    assert ledger(tmp_path).total.good == 500
