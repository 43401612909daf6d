"""P9: journal, warehouse and index of a node, over a year of simulated time, grow to their retention and stay there.

A day is a few segments of hits and garbage. Housekeeping and shippers are started anew every few days; people are
erased, another node's warehouse is brought, dead letters are replayed, the index is lost. What is counted is work and
sizes, not seconds: files, bytes on the disk, rows of the index, bytes of records, and how many acts a day takes.
"""

import shutil
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from harness.evidence import Evidence, breaks, pick
from harness.hits import batch, pixel, write_segment
from harness.nodes import bring_warehouse
from harness.people import ask_to_erase, erasing_house, forgetting_shipper
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.replay import replay
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.catalogue import Records
from latchstring_gateway.shipping.erasures import Erasures
from latchstring_gateway.shipping.seen import Seen

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=300, long=3_600))]

#: How long events are kept, and how many days are lived; erasures are kept 30 days longer.
_KEEP_DAYS = pick(short=4, long=60)
_DAYS = pick(short=64, long=400)
#: From here on nothing may grow: events are gone that are too old, names in the index and erasures too.
_SETTLED = pick(short=38, long=120)
#: The first half of what follows against the second; days differ a little.
_ROOM = 1.10
_DAY_MS = 86_400_000


class Size(NamedTuple):
    """What a node holds at the end of a day."""

    files: int
    disk_kib: int
    index_rows: int
    record_bytes: int
    acts: int


def test_a_year_of_a_warehouse_grows_no_further_than_its_retention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    """Flat from the end of retention on: no size is larger in the second half of what follows than in the first."""
    if breaks("expired-hours-are-kept"):
        monkeypatch.setattr("latchstring_gateway.housekeeping.retention._of_month", lambda count: count)
    if breaks("the-index-never-forgets"):
        monkeypatch.setattr("latchstring_gateway.housekeeping.forgetting.KEEP_MS", 10**13)
    node, clock, chance = tmp_path / "node", ManualClock(), Random(9)
    sizes = []
    for day in range(_DAYS):
        evidence.progress(day, _DAYS)
        acts = _live_a_day(node, tmp_path / "other", clock, chance, day)
        sizes.append(_size(node, acts))
        clock.advance(86_400)

    middle = (_SETTLED + _DAYS) // 2
    first, second = sizes[_SETTLED:middle], sizes[middle:]
    grown = [
        f"{name}: {max(later)} after {max(earlier)}"
        for name, earlier, later in zip(Size._fields, zip(*first, strict=True), zip(*second, strict=True), strict=True)
        if max(later) > max(earlier) * _ROOM + 5
    ]
    found = ledger(node)
    evidence.row(
        promise="P9",
        tried="a node's warehouse over a year: sizes that grew after retention, and ledgers that do not add up",
        trials=_DAYS,
        violations=len(grown) + len(found.problems),
    )
    assert (grown, found.problems) == ([], [])
    assert _state(node) <= {"complete", "leaving", "rewriting", "marking", "waiting"}


def _live_a_day(node: Path, other: Path, clock: ManualClock, chance: Random, day: int) -> int:
    at_ms = clock.wall_ms()
    for number in range(4):
        write_segment(node, _hits(chance, day, number, at_ms + number * 1_000))
    if day % 9 == 4:
        ask_to_erase(node, users=[f"u{chance.randrange(20)}"], at_ms=at_ms)
    if day % 16 == 7:
        _bring(other, node, clock, chance, at_ms)
    if day % 21 == 10 and day < _SETTLED:
        for file in (node / "warehouse").glob("seen.sqlite*"):
            file.unlink()
    with forgetting_shipper(node, clock) as shipper:
        shipper.ship_once()
    if day % 12 == 5:
        replay(node / "warehouse", node / "journal", clock)
    # A shipper or compaction that was killed.
    left = node / "warehouse" / "events" / "dt=2027-01-01" / "hour=00" / f"{'A' * 22}.parquet.part"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"half")
    acts = 0
    with erasing_house(node, clock, keep_days=_KEEP_DAYS) as house:
        # Compaction of the day before, and again when old files may go.
        for seconds in (0.0, 1_000.0, 70.0):
            clock.advance(seconds)
            while house.tidy():
                acts += 1
        house.sweep()
        house.metrics.publish()
    clock.advance(-1_070.0)
    return acts


def _hits(chance: Random, day: int, number: int, at_ms: int) -> list[bytes]:
    user = b"u%d" % chance.randrange(20)
    return [
        *(
            pixel(b"p=/%d&consent=granted&user=%b" % (n, user), hit_id=b"%d-%d-%d" % (day, number, n), at_ms=at_ms + n)
            for n in range(12)
        ),
        batch(b'{"page":"/b","id":"e%d-%d"}' % (day, number), at_ms=at_ms),
        pixel(b"garbage=%d" % chance.randrange(10**9), at_ms=at_ms),
        batch(b"{", at_ms=at_ms),
    ]


def _bring(other: Path, node: Path, clock: ManualClock, chance: Random, at_ms: int) -> None:
    """Another node's warehouse, with hits of its own and retries of ours."""
    shutil.rmtree(other, ignore_errors=True)
    write_segment(other, _hits(chance, 10_000 + at_ms // _DAY_MS, 0, at_ms))
    with forgetting_shipper(other, clock) as shipper:
        shipper.ship_once()
    bring_warehouse(other, node)


def _size(node: Path, acts: int) -> Size:
    files = [path for path in node.rglob("*") if path.is_file()]
    records = Records(node / "warehouse")
    records.catalogue()
    seen = Seen(node / "warehouse")
    rows = sum(
        int(seen._base.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
        for table in ("seen", "segments", "spans", "sent")
    )
    seen.close()
    return Size(
        files=len(files),
        disk_kib=sum(path.stat().st_blocks for path in files) // 2,
        index_rows=rows,
        record_bytes=records.commits.bytes_read,
        acts=acts,
    )


def _state(node: Path) -> set[str]:
    return {erasure.state for erasure in Erasures(node / "warehouse").all()}
