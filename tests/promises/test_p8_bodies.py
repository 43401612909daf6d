"""P8: whatever a client sends costs at most itself: random and hostile bodies through every wire's decoder."""

import threading
from pathlib import Path
from typing import Any

import pytest

from harness.evidence import Evidence, breaks, pick
from harness.hits import TRUSTED, pixel, write_segment
from harness.hostile_bodies import Hostile
from harness.waiting import wait_until
from latchstring_gateway.background import Work
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.reports.ledger import Ledger, ledger
from latchstring_gateway.shipping import decode, own_wire
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.faults import DECODER_FAILED
from latchstring_gateway.shipping.run import Shipper

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=120, long=1_800))]

_BODIES = pick(short=1_500, long=100_000)
_A_SEGMENT = 500
_SEED = 8


def _raises(*_what: Any) -> Any:
    raise OverflowError


def test_no_body_stops_the_shipper_and_the_ledger_adds_up(
    tmp_path: Path, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each becomes events or dead letters; none is an exception of ours, and a hit after all of them is counted."""
    if breaks("decoder-raises"):
        # As a number of 310 digits once did, out of the decoder and the guard around it.
        monkeypatch.setitem(decode.DECODERS, "batch", _raises)
        monkeypatch.setattr(decode, "failed", _raises)
    if breaks("decoder-fails"):
        monkeypatch.setattr(own_wire, "_event", _raises)
    hostile = Hostile(_SEED)
    print(f"bodies by seed {_SEED}")
    for begin in range(0, _BODIES, _A_SEGMENT):
        evidence.progress(begin, _BODIES)
        write_segment(tmp_path, [hostile.payload() for _ in range(_A_SEGMENT)])
    sent = len(list((tmp_path / "journal").iterdir()))
    stop, work = threading.Event(), Work(SystemClock())

    def ship() -> None:
        with Shipper(tmp_path, SystemClock(), TRUSTED) as shipper:
            shipper.run(stop, work)

    loop = threading.Thread(target=ship)
    loop.start()
    try:
        # Those that cannot be shipped stay in the journal, and hold up no other.
        last = write_segment(tmp_path, [pixel(b"p=/after-all-of-them")])
        wait_until(
            lambda: not last.exists(), "a hit after all of them is shipped", timeout_seconds=pick(short=60, long=1_500)
        )
        left = len(list((tmp_path / "journal").iterdir()))
        troubles = work.troubles()
    finally:
        stop.set()
        loop.join(60)

    try:
        found = ledger(tmp_path)
    except Exception as error:
        found = Ledger(problems=[f"the ledger ended in {error!r}"])
    catalogue = read_catalogue(tmp_path / "warehouse")
    faults = sum(catalogue.reasons_of(commit)[DECODER_FAILED] for commit in catalogue.commits)
    print(f"{_BODIES} bodies in {sent} segments: {found.total.good} good, {found.total.bad} bad events")
    assert not loop.is_alive()
    evidence.row(
        promise="P8",
        tried="random and hostile bodies through every decoder: shipper ended or held up, faults of ours, ledger wrong",
        trials=_BODIES,
        violations=left + len(troubles) + faults + len(found.problems),
    )
    assert min(found.total.good, found.total.bad) > _BODIES // 10
