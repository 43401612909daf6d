"""P3 at the level of journal and shipper: killed anywhere, every acknowledged hit is counted exactly once."""

import signal
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from harness.crashing import counted, run, ship, write
from harness.evidence import Evidence, pick
from latchstring_gateway.beacons.journal import Fsync
from latchstring_gateway.reports.ledger import ledger

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=300, long=900))]

#: Of a worker, then a shipper; about every second one of both is killed.
_ROUNDS = pick(short=40, long=700)
_FSYNC: list[Fsync] = ["interval", "always", "never"]


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_anywhere_every_hit_is_counted_exactly_once(tmp_path: Path, seed: int, evidence: Evidence) -> None:
    """Workers and shippers die at every kind of moment; senders repeat what was not answered; the sum is exact."""
    chance = Random(seed)
    unanswered: list[int] = []
    last = kills = 0
    acknowledged: set[int] = set()
    for _round in evidence.trials(_ROUNDS, seconds=50):
        fresh = list(range(last, last + chance.randrange(5, 120)))
        last += len(fresh)
        manner = chance.choice(["before", "after", "half"])
        numbers = unanswered + fresh
        code, answered = write(tmp_path, numbers, chance.choice(_FSYNC), chance.randrange(1, 40), manner)
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

    code, answered = write(tmp_path, unanswered, "always")
    assert (code, answered) == (0, set(unanswered))
    assert run(ship, tmp_path, 0, 0) == 0

    assert kills > 0
    assert acknowledged | answered == set(range(last))
    found = counted(tmp_path)
    expected = Counter(f"/watch/{number}" for number in range(last))
    evidence.row(
        promise="P3",
        tried="hits written and shipped by processes killed at random calls and moments: lost or doubled ones",
        trials=last,
        violations=((expected - found) + (found - expected)).total(),
    )
    total = ledger(tmp_path)
    assert total.adds_up
    assert (total.total.good, total.total.bad, total.total.pending) == (last, 0, 0)
    assert list((tmp_path / "journal").iterdir()) == []
