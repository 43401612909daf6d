"""P3 while a warehouse is kept small: wherever the keeper dies, every report gives the same answer."""

import shutil
import signal
from pathlib import Path

import pytest

from harness.crashing import counted, keep, run
from harness.evidence import Evidence, pick
from harness.hits import NOW_MS, TRUSTED, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.run import Shipper

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=180, long=900))]

#: Each call in turn takes a minute; the short profile tries some of them.
_STEP = pick(short=7, long=1)


def test_keeper_killed_before_each_of_its_calls_changes_no_answer(tmp_path: Path, evidence: Evidence) -> None:
    """Folded, folded again and cleared away, cut off anywhere: the same rows, the same ledger, in the end few files."""
    prepared = tmp_path / "prepared"
    for number in range(9):
        write_segment(prepared, [pixel(b"p=/%d" % (number % 4)), pixel(b"bad", at_ms=NOW_MS - number * 3_600_000)])
    with Shipper(prepared, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()
    pages, total = counted(prepared), ledger(prepared).total

    call, trials, violations = 1, 0, 0
    code: int | None = -signal.SIGKILL
    while code == -signal.SIGKILL:
        evidence.progress(call, 400)
        data_dir = tmp_path / str(call)
        shutil.copytree(prepared, data_dir)
        code = run(keep, data_dir, [2.0, 0.1], call)
        found = ledger(data_dir)
        violations += (counted(data_dir), found.total, found.problems) != (pages, total, [])
        assert run(keep, data_dir, [2.0, 0.1], 0) == 0
        with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
            assert shipper.ship_once() == 0
        found = ledger(data_dir)
        violations += (counted(data_dir), found.total, found.problems) != (pages, total, [])
        assert len(list((data_dir / "warehouse" / "commits").iterdir())) <= 3
        trials += 1
        call += _STEP
        shutil.rmtree(data_dir)
    evidence.row(
        promise="P3",
        tried="the keeper killed at any call: reports or ledgers that changed",
        trials=trials,
        violations=violations,
    )
    assert code == 0
    assert trials * _STEP > 80
