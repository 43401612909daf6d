"""P5: who was erased does not come back, wherever the process dies that erases, and whatever is sent again later."""

import shutil
import signal
from pathlib import Path

import pytest

from harness.crashing import erase, run
from harness.evidence import Evidence, pick
from harness.hits import NOW_MS, batch, pixel, write_segment
from harness.people import ask_to_erase, files_with, forgetting_shipper, who_agreed
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.commits import Count
from latchstring_gateway.shipping.erasures import Erasures

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=180, long=900))]

#: Some 270 calls, a second for each that is tried.
_STEP = pick(short=23, long=3)
_ADA = "ada-7f3a9c"
_HERS = pixel(b"p=/hers&consent=granted&user=" + _ADA.encode(), hit_id=b"hers")
_BATCH = batch(b'[{"p":"/hers","consent":"granted","user":"%b","id":"e1"},{"p":"/others"}]' % _ADA.encode())
_LETTER = pixel(b"p=bad&user=" + _ADA.encode())
_OTHERS = [pixel(b"p=/others", who_agreed(b"bob")), pixel(b"p=bad&user=bob")]


def _pages(data_dir: Path) -> list[str]:
    with committed_events(data_dir / "warehouse") as base:
        return [] if base is None else [str(page) for (page,) in base.execute("SELECT page FROM events").fetchall()]


def test_erasure_killed_before_each_of_its_calls_ends_complete(tmp_path: Path, evidence: Evidence) -> None:
    """Committed, pending, refused and sent again six days later: nothing of hers is in any file, and all adds up."""
    prepared = tmp_path / "prepared"
    for hits in ([_HERS, _LETTER, *_OTHERS], [pixel(b"p=/hers", who_agreed(b"ada")), *_OTHERS]):
        write_segment(prepared, hits)
    with forgetting_shipper(prepared, ManualClock()) as shipper:
        shipper.ship_once()
    write_segment(prepared, [_BATCH, _LETTER, pixel(b"p=/hers", who_agreed(b"ada"))])
    erasure = ask_to_erase(prepared, users=[_ADA], visitors=[b"ada"])

    call, trials, violations = 1, 0, 0
    code: int | None = -signal.SIGKILL
    while code == -signal.SIGKILL:
        evidence.progress(call, 280)
        data_dir = tmp_path / str(call)
        shutil.copytree(prepared, data_dir)
        code = run(erase, data_dir, call)
        violations += ledger(data_dir).problems != []
        assert run(erase, data_dir, 0) == 0
        violations += _comes_back(data_dir, erasure)
        trials += 1
        call += _STEP
        shutil.rmtree(data_dir)
    evidence.row(
        promise="P5",
        tried="an erasure killed at any call: rows that stayed or came back, ledgers that do not add up",
        trials=trials,
        violations=violations,
    )
    assert code == 0
    assert trials * _STEP > 200


def _comes_back(data_dir: Path, erasure: str) -> bool:
    """Whether anything of hers is there when all is done, or after a tracker has sent it again."""
    found, done = ledger(data_dir), Erasures(data_dir / "warehouse").read(erasure)
    before = Count("all", "", received=11, good=3, bad=2, excluded=6)
    if done is None or done.state != "complete" or (found.total, found.problems) != (before, []):
        return True
    clock = ManualClock(NOW_MS + 6 * 86_400_000)
    again = [_BATCH, pixel(b"p=/hers&consent=granted&user=" + _ADA.encode(), at_ms=clock.wall_ms())]
    write_segment(data_dir, again)
    with forgetting_shipper(data_dir, clock) as shipper:
        shipper.ship_once()
    hers = files_with(data_dir / "warehouse", _ADA) + files_with(data_dir / "warehouse", "/hers")
    return bool(hers) or "/hers" in _pages(data_dir) or not ledger(data_dir).adds_up
