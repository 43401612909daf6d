"""P3 when power fails: with `always` no answered hit is lost; with `interval` at most 100 ms, told by the ledger."""

import asyncio
import math
import time
from functools import partial
from pathlib import Path
from random import Random

import pytest

from harness.crashing import counted, hit
from harness.evidence import Evidence, breaks, pick
from harness.hits import TRUSTED
from harness.power_loss import HonestDisk
from latchstring_gateway.beacons.journal import HOLD_NS, Fsync, Journal
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.run import Shipper

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=180, long=900))]

_TRIALS = pick(short=10, long=120)
#: A hit's own time is taken when it is appended, the journal's a turn of the loop later.
_SLACK_SECONDS = 0.02


class _Load:
    """Hits in a steady stream: when each was kept, and how many there were."""

    def __init__(self, journal: Journal, chance: Random) -> None:
        self._journal = journal
        self._chance = chance
        self.kept_at: dict[int, float] = {}
        self.sent_at: dict[int, float] = {}

    async def run(self, seconds: float) -> None:
        """Send for about so long."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            for _ in range(self._chance.randrange(1, 4)):
                number = len(self.sent_at)
                self.sent_at[number] = now
                self._journal.append(hit(number, SystemClock().wall_ms()), partial(self._answered, number))
            await asyncio.sleep(0.002)

    def _answered(self, number: int, kept: bool) -> None:
        if kept:
            self.kept_at[number] = time.monotonic()


async def _until_power_fails(data_dir: Path, fsync: Fsync, chance: Random) -> tuple[dict[int, float], dict[int, float]]:
    """Write, cut, and leave in `data_dir` what the next boot finds: when each hit was sent and when it was kept."""
    disk = HonestDisk()
    running = data_dir / "before"
    journal = Journal(running, SystemClock(), fsync=fsync, segment_max_seconds=0.15, disk=disk)
    load = _Load(journal, chance)
    await load.run(chance.uniform(0.1, 0.3))
    disk.delay_seconds = chance.choice([0.0, 0.01, 0.08, 0.3])
    await load.run(chance.uniform(0.0, 0.3))
    kept = dict(load.kept_at)
    disk.after_power_loss(running, data_dir / "journal")
    disk.hurry()
    await journal.close()
    return load.sent_at, kept


def _lost(data_dir: Path, kept: dict[int, float]) -> set[int]:
    """Ship what the next boot finds; gives the hits that were answered and are not counted exactly once."""
    with Shipper(data_dir, SystemClock(), TRUSTED) as shipper:
        shipper.ship_once()
    found = counted(data_dir)
    assert max(found.values(), default=1) == 1
    return {number for number in kept if f"/watch/{number}" not in found}


@pytest.mark.parametrize("seed", [1])
async def test_with_always_no_answered_hit_is_lost(tmp_path: Path, seed: int, evidence: Evidence) -> None:
    """Whatever the disk had not confirmed is gone, and none of it had been answered."""
    fsync: Fsync = "interval" if breaks("answered-before-synced") else "always"
    chance = Random(seed)
    answered = violations = 0

    for trial in range(_TRIALS):
        evidence.progress(trial, _TRIALS)
        data_dir = tmp_path / str(trial)
        _, kept = await _until_power_fails(data_dir, fsync, chance)
        lost = _lost(data_dir, kept)
        answered += len(kept)
        violations += len(lost)
        assert ledger(data_dir).adds_up

    evidence.row(
        promise="P3",
        tried="power fails, fsync=always: answered hits that are not counted",
        trials=answered,
        violations=violations,
    )


@pytest.mark.parametrize("seed", [2])
async def test_with_interval_at_most_100_ms_are_lost_and_the_ledger_says_so(
    tmp_path: Path, seed: int, evidence: Evidence
) -> None:
    """What was lost came within 100 ms, also on a slow disk, after the instant the ledger names and at its rate."""
    fsync: Fsync = "never" if breaks("answered-before-synced") else "interval"
    chance = Random(seed)
    answered = violations = losses = 0

    for trial in range(_TRIALS):
        evidence.progress(trial, _TRIALS)
        data_dir = tmp_path / str(trial)
        sent, kept = await _until_power_fails(data_dir, fsync, chance)
        lost = _lost(data_dir, kept)
        times = sorted(sent[number] for number in lost)
        answered += len(kept)
        losses += bool(times)
        if times:
            violations += sum(at - times[0] > HOLD_NS / 1e9 + _SLACK_SECONDS for at in times)
            # The load is random, so the rate before is not exactly the rate in that tenth of a second.
            told = 2 * math.ceil(max((loss.rate for loss in ledger(data_dir).power_losses), default=0) / 10)
            violations += max(0, len(lost) - told)
        assert ledger(data_dir).adds_up

    assert losses > 0
    evidence.row(
        promise="P3",
        tried="power fails, fsync=interval: answered hits lost beyond the 100 ms that the ledger names",
        trials=answered,
        violations=violations,
    )
