"""Promise P3 at the level of journal and shipper: killed anywhere, every acknowledged hit is counted exactly once."""

import shutil
import signal
from collections import Counter
from pathlib import Path
from random import Random

import duckdb
import pytest

from harness.crashing import ACK, run, ship, ship_within, write_hits
from harness.hits import TRUSTED, batch, pixel, write_segment
from latchstring_gateway.beacons.journal import Fsync
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.commits import Count
from latchstring_gateway.shipping.run import Shipper

pytestmark = pytest.mark.beacons

_KILLS = 60
_FSYNC: list[Fsync] = ["interval", "always", "never"]


def _write(data_dir: Path, numbers: list[int], fsync: Fsync, die_at: int, manner: str) -> tuple[int | None, set[int]]:
    """Let a worker write; gives its end and what it had acknowledged by then."""
    acknowledged = data_dir / "acknowledged"
    code = run(write_hits, data_dir, acknowledged, numbers, fsync, die_at, manner)
    data = acknowledged.read_bytes() if acknowledged.exists() else b""
    acknowledged.unlink(missing_ok=True)
    return code, {number for (number,) in ACK.iter_unpack(data)}


def _counted(data_dir: Path) -> Counter[str]:
    """How often each page is in the warehouse, as its commit records tell."""
    with duckdb.connect() as base:
        files = str(data_dir / "warehouse/events/dt=*/hour=*/*.parquet")
        return Counter(dict(base.execute(f"SELECT page, count(*) FROM '{files}' GROUP BY page").fetchall()))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_anywhere_every_hit_is_counted_exactly_once(tmp_path: Path, seed: int) -> None:
    """Workers and shippers die at every kind of moment; senders repeat what was not answered; the sum is exact."""
    chance = Random(seed)
    unanswered: list[int] = []
    last = 0
    kills = 0
    acknowledged: set[int] = set()
    while kills < _KILLS:
        fresh = list(range(last, last + chance.randrange(5, 120)))
        last += len(fresh)
        manner = chance.choice(["before", "after", "half"])
        numbers = unanswered + fresh
        code, answered = _write(tmp_path, numbers, chance.choice(_FSYNC), chance.randrange(1, 40), manner)
        kills += code == -signal.SIGKILL
        assert code in (0, -signal.SIGKILL)
        acknowledged |= answered
        unanswered = [number for number in numbers if number not in answered]

        by_call = chance.random() < 0.6
        call = chance.randrange(1, 120) if by_call else 0
        code = run(ship, tmp_path, call, 0 if by_call else chance.uniform(0.005, 0.08))
        kills += code in (-signal.SIGKILL, -signal.SIGALRM)
        assert code in (0, -signal.SIGKILL, -signal.SIGALRM)
        assert ledger(tmp_path).problems == []

    code, answered = _write(tmp_path, unanswered, "always", 0, "never")
    assert (code, answered) == (0, set(unanswered))
    assert run(ship, tmp_path, 0, 0) == 0

    assert acknowledged | answered == set(range(last))
    assert _counted(tmp_path) == Counter(f"/watch/{number}" for number in range(last))
    found = ledger(tmp_path)
    assert found.adds_up
    assert (found.total.good, found.total.bad, found.total.pending) == (last, 0, 0)
    assert list((tmp_path / "journal").iterdir()) == []


@pytest.mark.timeout(120)
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
    _write(first, list(range(50)), "interval", 12, "after")
    answered = _write(first, list(range(50, 100)), "interval", 0, "never")[1]
    shutil.copytree(first, second)

    for data_dir in (first, second):
        more = _write(data_dir, list(range(100, 150)), "interval", 0, "never")[1]
        with Shipper(data_dir, SystemClock(), TRUSTED) as shipper:
            shipper.ship_once()
        counted = _counted(data_dir)
        assert all(counted[f"/watch/{number}"] == 1 for number in answered | more)
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
