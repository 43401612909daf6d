"""P3 across nodes: a hit that was retried at another node counts once as soon as both nodes' hits are in one place."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from harness.crashing import counted
from harness.evidence import Evidence, breaks, pick
from harness.hits import NOW_MS, batch, pixel, write_segment
from harness.nodes import bring_journal, bring_warehouse, ship
from latchstring_gateway.housekeeping.duplicates import Settled
from latchstring_gateway.reports.ledger import ledger

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=180, long=900))]

_ROUNDS = pick(short=5, long=60)


def _hits(chance: Random, numbers: list[int]) -> list[bytes]:
    """Hits and events of those numbers, some of both garbage; the same number is the same hit, sent again."""
    found = []
    for number in numbers:
        at_ms = NOW_MS + chance.randrange(100_000)
        if number % 7 == 0:
            found.append(pixel(b"garbage", hit_id=b"h%d" % number, at_ms=at_ms))
        elif number % 2:
            found.append(pixel(b"p=/%d" % number, hit_id=b"h%d" % number, at_ms=at_ms))
        else:
            found.append(batch(b'{"page":"/%d","id":"e%d"}' % (number, number), at_ms=at_ms))
    return found


def _journals(first: Path, second: Path) -> None:
    bring_journal(second, first)
    ship(first)


def _warehouses(first: Path, second: Path) -> None:
    ship(first)
    ship(second)
    bring_warehouse(second, first)
    ship(first)


@pytest.mark.parametrize("together", [_journals, _warehouses])
def test_hit_that_was_retried_at_another_node_counts_once(
    tmp_path: Path, together: Callable[[Path, Path], None], monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    """Whether journals or warehouses are brought together, whichever way round."""
    if breaks("duplicates-stand"):
        monkeypatch.setattr(
            "latchstring_gateway.housekeeping.index_rebuild.settle", lambda *_, **__: Settled([], [], is_complete=True)
        )
    chance = Random(8)
    sent = wrong = 0
    for trial in range(_ROUNDS):
        evidence.progress(trial, _ROUNDS)
        nodes = [tmp_path / str(trial) / name for name in ("a", "b")]
        everything: set[int] = set()
        for node in nodes:
            for _ in range(3):
                here = chance.sample(range(100), 40)
                everything |= set(here)
                sent += len(here)
                write_segment(node, _hits(chance, here))
        chance.shuffle(nodes)

        together(*nodes)

        expected = Counter(f"/{n}" for n in everything if n % 7)
        found = counted(nodes[0])
        wrong += ((expected - found) + (found - expected)).total()
        told = ledger(nodes[0])
        bad = sum(1 for n in everything if n % 7 == 0)
        wrong += (told.total.good, told.total.bad, told.total.duplicate) != (len(expected), bad, 240 - len(everything))
        wrong += len(told.problems)
    evidence.row(
        promise="P3",
        tried=f"hits retried at another node, their {together.__name__.strip('_')} brought together: lost or doubled",
        trials=sent,
        violations=wrong,
    )
