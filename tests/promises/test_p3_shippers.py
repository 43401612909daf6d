"""P3 with several shippers at once: however they share the work and die, each hit counts exactly once."""

import signal
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from harness.crashing import counted, hit, run, ship, ship_together
from harness.evidence import Evidence, breaks, pick
from harness.hits import batch, write_segment
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.seen import Seen

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=180, long=900))]

_ROUNDS = pick(short=6, long=60)


def test_shippers_at_the_same_time_count_each_hit_once(tmp_path: Path, evidence: Evidence) -> None:
    """Retries, re-sent hits and a journal's own copies lie in segments that three shippers take at the same moment."""
    chance = Random(3)
    names: set[str] = set()
    kills = received = wrong = 0
    for trial in range(_ROUNDS):
        evidence.progress(trial, _ROUNDS)
        data_dir = tmp_path / str(trial)
        hits = [hit(number) for number in range(120)]
        events = [batch(b'{"page":"/event/%d","id":"e%d"}' % (number, number)) for number in range(60)]
        rows = [*hits, *events]
        # The same record ids again, the same request and event ids again, in whatever order and pieces.
        write_segment(data_dir, rows[:90], journal_id=b"journal!")
        write_segment(data_dir, rows[60:], journal_id=b"journal!", first_number=60)
        received += 210
        for _ in range(6):
            again = chance.sample(rows, 80)
            write_segment(data_dir, again)
            received += len(again)

        # From 2 to 400 ms, evenly over the orders of magnitude: a quick machine ships it all in less than 50.
        deaths = [chance.choice([0.0, 0.002 * 200 ** chance.random()]) for _ in range(3)]
        ends = ship_together(data_dir, deaths)
        kills += ends.count(-signal.SIGALRM)
        assert set(ends) <= {0, -signal.SIGALRM}
        if breaks("forgets-what-was-claimed"):
            Seen(data_dir / "warehouse")._base.execute("DELETE FROM seen")
        assert ledger(data_dir).problems == []
        if breaks("forgets-what-was-claimed"):
            write_segment(data_dir, rows)
        assert run(ship, data_dir, 0, 0) == 0

        names = {f"/watch/{number}" for number in range(120)} | {f"/event/{number}" for number in range(60)}
        expected, found = Counter(names), counted(data_dir)
        wrong += ((expected - found) + (found - expected)).total()
        assert ledger(data_dir).adds_up
        assert list((data_dir / "journal").iterdir()) == []

    evidence.row(
        promise="P3",
        tried="copies and retries shipped by three shippers at once, some of them killed: lost or doubled hits",
        trials=received,
        violations=wrong,
    )
    assert kills > 0
