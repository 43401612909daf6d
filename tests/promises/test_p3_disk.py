"""P3 on bad disks: full, short of writes, failing to sync, damaged; what was answered counts exactly once."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from harness.bad_disks import TrustingSegmentFile, UnluckyDisk, fill_up, send_until_kept
from harness.crashing import counted, hit
from harness.evidence import Evidence, breaks, pick
from harness.hits import TRUSTED, write_segment
from harness.small_disk import namespace, on_small_disk
from latchstring_gateway.beacons.journal import Fsync, Journal
from latchstring_gateway.beacons.segment import FRAME_BYTES, Scan, ids_of_name
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.run import Shipper

pytestmark = [pytest.mark.beacons, pytest.mark.timeout(pick(short=180, long=900))]

_POLICIES: list[Fsync] = ["always", "interval"]


@pytest.mark.parametrize("fsync", _POLICIES)
async def test_failing_writes_and_syncs_lose_and_double_nothing(
    tmp_path: Path, fsync: Fsync, monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    """Each call to the disk fails one time in eight, and a failed sync takes what it was for; senders send again."""
    monkeypatch.setattr("latchstring_gateway.beacons.journal.RETRY_SECONDS", 0.004)
    monkeypatch.setattr("latchstring_gateway.beacons.journal.SYNC_AFTER_SECONDS", 0.002)
    if breaks("short-write-is-a-write"):
        monkeypatch.setattr("latchstring_gateway.beacons.segment_file.SegmentFile", TrustingSegmentFile)
    chance = Random(5)
    rounds = pick(short=6, long=100)
    hits = wrong = faults = 0

    for trial in range(rounds):
        evidence.progress(trial, rounds)
        data_dir = tmp_path / str(trial)
        disk = UnluckyDisk(chance, luck=0.875)
        journal = Journal(data_dir / "journal", SystemClock(), fsync=fsync, segment_max_bytes=5_000, disk=disk)
        numbers = range(400)
        kept = await send_until_kept(journal, numbers, group=chance.randrange(1, 12))
        disk.luck = 1.0
        await journal.close()
        with Shipper(data_dir, SystemClock(), TRUSTED) as shipper:
            shipper.ship_once()
        expected, found = Counter(f"/watch/{number}" for number in kept), counted(data_dir)
        hits += len(kept)
        faults += disk.faults
        wrong += ((expected - found) + (found - expected)).total()
        assert kept == set(numbers)
        assert ledger(data_dir).adds_up

    assert faults > rounds * 20
    evidence.row(
        promise="P3",
        tried="writes fail or are short, fsync fails: answered hits lost or doubled",
        trials=hits,
        violations=wrong,
    )


@pytest.fixture
def _mounts() -> None:
    if namespace() is None:
        pytest.skip("this system lets nobody mount a file system of a test's own")


# Before `evidence`, which wants a row of whatever it was made for.
@pytest.mark.usefixtures("_mounts")
def test_full_file_system_refuses_what_it_cannot_keep_and_keeps_what_it_answered(
    tmp_path: Path, evidence: Evidence
) -> None:
    """Journal and warehouse fill their disk; hits are refused and shipping fails until there is room again."""
    told = on_small_disk(tmp_path, pick(short=6, long=24) * 1024 * 1024, fill_up)

    evidence.row(
        promise="P3",
        tried="a full file system: answered hits lost or doubled",
        trials=told["hits"],
        violations=told["wrong"],
    )
    assert told["refused"] > 0
    assert told["shipping_failed"]
    assert told["outcomes"].keys() & {"unwritable", "write_failed"}
    assert told["problems"] == []
    assert (told["good"], told["pending"]) == (told["hits"], 0)


def test_damage_costs_the_records_it_touches_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    """Bytes turn over anywhere in segments; every record that none of them is in counts, and the damage is told."""
    if breaks("stops-at-damage"):
        monkeypatch.setattr(Scan, "_next_frame", lambda *_: None)
    chance = Random(11)
    rounds = pick(short=30, long=800)
    records = wrong = 0

    for trial in range(rounds):
        evidence.progress(trial, rounds)
        data_dir = tmp_path / str(trial)
        path = write_segment(data_dir, [hit(number) for number in range(40)])
        data = bytearray(path.read_bytes())
        scan = Scan(bytes(data), ids_of_name(path.name)[0])
        spans = [(found.offset, found.offset + FRAME_BYTES + len(found.payload)) for found in scan]
        flips = sorted(chance.sample(range(len(data)), chance.randrange(1, 6)))
        for at in flips:
            data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        with Shipper(data_dir, SystemClock(), TRUSTED) as shipper:
            shipper.ship_once()
        whole = {
            f"/watch/{number}"
            for number, (start, end) in enumerate(spans)
            if not any(start <= at < end for at in flips)
        }
        records += len(spans)
        wrong += (Counter(whole) - counted(data_dir)).total() + (counted(data_dir) - Counter(whole)).total()
        found = ledger(data_dir)
        assert found.adds_up
        wrong += found.total.good != len(whole)
        # Every byte is part of the head, of a record or of the mark at the end: none turns over unnoticed.
        assert found.damaged_ranges > 0

    evidence.row(
        promise="P3",
        tried="bytes of segments turned over: records lost that were not touched, or counted that were",
        trials=records,
        violations=wrong,
    )
