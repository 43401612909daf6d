"""P3 with a sink: away, silent, forgetful, fed by two nodes; in the end each hit is in it once."""

from pathlib import Path
from random import Random

import pytest

from harness.clickhouse import clickhouse
from harness.evidence import Evidence, breaks, pick
from harness.hits import NOW_MS, batch, pixel, write_segment
from harness.nodes import ship
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.adjustments import Adjustment
from latchstring_gateway.shipping.clickhouse import ClickHouse, SinkAwayError
from latchstring_gateway.shipping.commits import Commit, FileEntry
from latchstring_gateway.shipping.seen import Seen
from latchstring_gateway.shipping.send import Sender

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=180, long=900))]

_ROUNDS = pick(short=8, long=120)
_SPAN = "since = '2027-01-15 00:00:00', until = '2027-01-16 00:00:00'"


class HastySender(Sender):
    """The mistake `marked-before-sent`."""

    def _send(self, record: Commit | Adjustment, files: list[FileEntry]) -> None:
        self._seen.mark_sent(record.id if isinstance(record, Adjustment) else record.segment)
        super()._send(record, files)


def test_sink_that_fails_in_every_way_has_each_hit_once(tmp_path: Path, evidence: Evidence) -> None:
    """Refusals, lost answers and lost marks, while two nodes get hits that are retried at the other."""
    chance = Random(12)
    nodes = [tmp_path / name for name in ("first", "second")]
    make = HastySender if breaks("marked-before-sent") else Sender
    sent: set[int] = set()
    with clickhouse(tmp_path / "clickhouse") as server:
        for trial in range(_ROUNDS):
            evidence.progress(trial, _ROUNDS)
            for node in nodes:
                numbers = [trial * 40 + chance.randrange(60) for _ in range(40)]
                sent |= set(numbers)
                write_segment(node, [_hit(number, NOW_MS + chance.randrange(60_000)) for number in numbers])
                ship(node)
            for node in nodes:
                server.mood(chance.choice(["", "lose", "lose", "refuse"]))
                _send(make, node, server.url, chance)
        server.mood("")
        for node in nodes:
            _send(make, node, server.url, chance)
        found = server.ask(f"SELECT page, count() FROM counted({_SPAN}) GROUP BY page")
        ((received, good, duplicate),) = server.ask(
            f"SELECT sum(received), sum(good), sum(duplicate) FROM ledger({_SPAN})"
        )

    expected = {f"/{number}" for number in sent}
    missing = expected - {page for page, _ in found}
    doubled = [page for page, times in found if times != "1" or page not in expected]
    evidence.row(
        promise="P3",
        tried="a sink that refuses, loses answers and is sent to twice, by two nodes: hits lost or doubled in it",
        trials=len(expected),
        violations=len(missing) + len(doubled),
    )
    assert int(good) == len(expected)
    assert int(received) == int(good) + int(duplicate) == sum(ledger(node).total.received for node in nodes)


def _hit(number: int, at_ms: int) -> bytes:
    if number % 2:
        return pixel(b"p=/%d" % number, hit_id=b"h%d" % number, at_ms=at_ms)
    return batch(b'{"page":"/%d","id":"e%d"}' % (number, number), at_ms=at_ms)


def _send(make: type[Sender], node: Path, url: str, chance: Random) -> None:
    seen, sink = Seen(node / "warehouse"), ClickHouse(url)
    sender = make(node / "warehouse", seen, sink)
    if chance.random() < 0.3:
        seen._base.execute("DELETE FROM sent WHERE id IN (SELECT id FROM sent ORDER BY random() LIMIT 3)")
    for _ in range(6):
        try:
            sender.send_once()
            break
        except SinkAwayError:
            continue
    seen.close()
    sink.close()
