"""The journal: what was answered True is in a segment, exactly as often as it was appended, whatever the disk does."""

import asyncio
import errno
import threading
from collections import Counter
from pathlib import Path

import pytest

from harness.waiting import wait_until_async
from latchstring_gateway.beacons.journal import Fsync, Journal
from latchstring_gateway.beacons.segment import Scan, ids_of_name
from latchstring_gateway.beacons.segment_file import Disk
from latchstring_gateway.clock import ManualClock, SystemClock


class _FaultyDisk(Disk):
    """The real disk, until a fault is switched on; faults last until switched off."""

    def __init__(self) -> None:
        self.write_error: int | None = None
        self.sync_error: int | None = None
        self.truncate_error: int | None = None
        self.short_by = 0
        self.writes = 0
        self.syncs = 0
        self.may_sync = threading.Event()
        self.may_sync.set()

    def write(self, descriptor: int, data: bytes) -> int:
        self.writes += 1
        if self.write_error:
            raise OSError(self.write_error, "injected")
        return super().write(descriptor, data[: len(data) - self.short_by])

    def sync(self, descriptor: int) -> None:
        self.may_sync.wait(20)
        self.syncs += 1
        if self.sync_error:
            raise OSError(self.sync_error, "injected")
        super().sync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        if self.truncate_error:
            raise OSError(self.truncate_error, "injected")
        super().truncate(descriptor, size)


async def _append(journal: Journal, payload: bytes) -> bool:
    kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    journal.append(payload, kept.set_result)
    return await kept


async def _append_all(journal: Journal, payloads: list[bytes]) -> list[bool]:
    return await asyncio.gather(*(_append(journal, payload) for payload in payloads))


def _records(directory: Path) -> Counter[bytes]:
    """Payloads by how many different records hold them; copies of one record count once."""
    found = {}
    for path in directory.glob("*.segment"):
        scan = Scan(path.read_bytes(), ids_of_name(path.name)[0])
        found.update({(r.journal_id, r.number): r.payload for r in scan})
        assert scan.damaged == []
    return Counter(found.values())


@pytest.mark.parametrize("fsync", ["interval", "always", "never"])
async def test_everything_answered_true_is_in_the_segments(tmp_path: Path, fsync: Fsync) -> None:
    """Under each fsync policy an accepted record is found again exactly once."""
    journal = Journal(tmp_path, SystemClock(), fsync=fsync)
    payloads = [b"hit %d" % number for number in range(500)]

    answers = await _append_all(journal, payloads)
    await journal.close()

    assert all(answers)
    assert _records(tmp_path) == Counter(payloads)


async def test_records_of_one_turn_are_one_write(tmp_path: Path) -> None:
    """Group commit: a hundred simultaneous hits cost one system call."""
    disk = _FaultyDisk()
    journal = Journal(tmp_path, SystemClock(), fsync="never", disk=disk)
    before = disk.writes

    await _append_all(journal, [b"x"] * 100)

    assert disk.writes == before + 1
    await journal.close()


async def test_always_answers_after_the_sync(tmp_path: Path) -> None:
    """With `always` nobody hears "kept" before the disk has it."""
    disk = _FaultyDisk()
    journal = Journal(tmp_path, SystemClock(), fsync="always", disk=disk)
    disk.may_sync.clear()
    answer = asyncio.ensure_future(_append(journal, b"x"))
    await wait_until_async(lambda: disk.writes == 2, "the record is written")
    assert not answer.done()

    disk.may_sync.set()

    assert await answer
    await journal.close()


async def test_interval_answers_at_once_until_a_sync_is_late(tmp_path: Path) -> None:
    """With `interval` at most 100 ms of answers run ahead of the disk; then answers wait, and the loop does not."""
    disk, clock = _FaultyDisk(), ManualClock()
    journal = Journal(tmp_path, clock, disk=disk)
    disk.may_sync.clear()
    assert await _append(journal, b"early")

    clock.advance(0.2)
    late = asyncio.ensure_future(_append(journal, b"late"))
    await wait_until_async(lambda: disk.writes == 3, "the record is written")
    assert not late.done()
    disk.may_sync.set()

    assert await late
    await journal.close()


async def test_answers_that_wait_too_long_for_the_disk_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs turns into refusals and red health, and back when it is over."""
    monkeypatch.setattr("latchstring_gateway.beacons.journal.GIVE_UP_SECONDS", 0.05)
    disk = _FaultyDisk()
    journal = Journal(tmp_path, SystemClock(), fsync="always", disk=disk)
    disk.may_sync.clear()

    assert not await _append(journal, b"stuck")
    assert not journal.healthy
    disk.may_sync.set()

    await wait_until_async(lambda: journal.healthy, "the journal is healthy again")
    assert await _append(journal, b"fine")
    await journal.close()


@pytest.mark.parametrize("fault", ["write", "short", "short and stuck"])
async def test_failed_write_refuses_its_group_and_nothing_else(tmp_path: Path, fault: str) -> None:
    """A full disk or a short write leaves no trace of its group, earlier hits stay, and the journal recovers."""
    disk = _FaultyDisk()
    journal = Journal(tmp_path, SystemClock(), disk=disk)
    assert await _append(journal, b"before")
    if fault == "write":
        disk.write_error = errno.ENOSPC
    else:
        disk.short_by = 5
        disk.truncate_error = errno.EIO if fault == "short and stuck" else None

    assert await _append_all(journal, [b"lost 1", b"lost 2" * 10]) == [False, False]
    assert not journal.healthy
    assert not await _append(journal, b"refused")
    disk.write_error, disk.short_by, disk.truncate_error = None, 0, None
    await wait_until_async(lambda: journal.healthy, "the journal writes again by itself")

    assert await _append(journal, b"after")
    await journal.close()
    found = _records(tmp_path)
    # Where the cut failed, a whole frame of the refused group may stay: refused, not answered, so it may count.
    assert found - Counter([b"lost 1"]) == Counter([b"before", b"after"])
    assert fault == "short and stuck" or b"lost 1" not in found


@pytest.mark.parametrize("fsync", ["interval", "always"])
async def test_failed_sync_writes_again_what_was_not_confirmed(tmp_path: Path, fsync: Fsync) -> None:
    """After a failed fsync nothing in that file is trusted: its unconfirmed records go to a new segment, same ids."""
    disk = _FaultyDisk()
    journal = Journal(tmp_path, SystemClock(), fsync=fsync, disk=disk)
    first = _files(tmp_path)[0]
    assert await _append(journal, b"before")
    disk.sync_error = errno.EIO
    outcome = asyncio.ensure_future(_append(journal, b"during"))
    await wait_until_async(lambda: not journal.healthy, "the failed sync is noticed")

    disk.sync_error = None
    await wait_until_async(lambda: journal.healthy, "the journal has a new segment")
    during = await outcome
    assert await _append(journal, b"after")
    await journal.close()

    assert _records(tmp_path) == Counter([b"before", b"after"] + [b"during"] * during)
    first.unlink()
    expected = [b"after"] if fsync == "always" else [b"after", b"before", b"during"]
    assert _records(tmp_path) == Counter(expected)


async def test_full_disk_at_start_refuses_until_there_is_room(tmp_path: Path) -> None:
    """A worker that starts on a full disk serves, refuses hits, and takes them as soon as it can."""
    disk = _FaultyDisk()
    disk.write_error = errno.ENOSPC
    journal = Journal(tmp_path, SystemClock(), disk=disk)
    assert not journal.healthy
    assert _files(tmp_path) == []

    disk.write_error = None
    await wait_until_async(lambda: journal.healthy, "room was found")

    assert await _append(journal, b"kept")
    await journal.close()
    assert _records(tmp_path) == Counter([b"kept"])


async def test_segment_rotates_by_size(tmp_path: Path) -> None:
    """A long segment is finished and another begun, without a gap."""
    journal = Journal(tmp_path, SystemClock(), segment_max_bytes=2_000)
    for _ in range(20):
        assert all(await _append_all(journal, [b"x" * 300] * 4))
        await wait_until_async(lambda: journal.healthy, "healthy")
    await wait_until_async(lambda: len(list(tmp_path.glob("*.segment"))) > 1, "a second segment")

    await journal.close()

    assert _records(tmp_path) == Counter({b"x" * 300: 80})


async def test_idle_segment_is_finished_in_time(tmp_path: Path) -> None:
    """The last hit before a quiet hour becomes visible after seconds: its segment is closed though nothing follows."""
    journal = Journal(tmp_path, SystemClock(), segment_max_seconds=0.05)
    first = _files(tmp_path)[0]
    assert await _append(journal, b"x")

    await wait_until_async(lambda: len(list(tmp_path.glob("*.segment"))) == 2, "another segment has taken its place")
    await wait_until_async(lambda: _finished(first) == 1, "the first segment has its end mark")
    await journal.close()
    assert _records(tmp_path) == Counter([b"x"])


def _files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def _finished(path: Path) -> int | None:
    scan = Scan(path.read_bytes(), ids_of_name(path.name)[0])
    list(scan)
    return scan.finished_with


async def test_two_journals_in_one_directory_never_meet(tmp_path: Path) -> None:
    """Any number of workers share a directory."""
    journals = [Journal(tmp_path, SystemClock()) for _ in range(3)]

    for journal in journals:
        assert all(await _append_all(journal, [b"x"] * 10))
    for journal in journals:
        await journal.close()

    assert _records(tmp_path) == Counter({b"x": 30})


async def test_clock_going_back_collides_with_nothing(tmp_path: Path) -> None:
    """Names and record ids owe nothing to the time of day."""
    clock = ManualClock()
    first = Journal(tmp_path, clock)
    assert await _append(first, b"1")
    await first.close()

    clock.step_wall(-86_400)
    second = Journal(tmp_path, clock)
    assert await _append(second, b"2")
    await second.close()

    assert _records(tmp_path) == Counter([b"1", b"2"])


async def test_closed_journal_refuses_and_leaves_no_empty_file(tmp_path: Path) -> None:
    """A hit that comes after the end is refused, and a journal without hits leaves nothing behind."""
    journal = Journal(tmp_path, SystemClock())
    await journal.close()

    assert not await _append(journal, b"x")
    assert _files(tmp_path) == []


async def test_listener_that_fails_does_not_keep_the_answer_from_others(tmp_path: Path) -> None:
    """One broken connection is its own trouble."""

    def fail(_kept: object) -> None:
        raise RuntimeError("connection is gone")

    journal = Journal(tmp_path, SystemClock())
    journal.append(b"1", fail)

    assert await _append(journal, b"2")
    await journal.close()


async def test_full_backlog_refuses_until_the_shipper_has_taken_some(tmp_path: Path) -> None:
    """What waits takes no more of the disk than was allowed; above it hits are refused, counted, and none is lost."""
    clock = ManualClock()
    journal = Journal(tmp_path, clock, backlog_max_bytes=50_000, segment_max_bytes=10_000)
    answers = [answer for _ in range(30) for answer in await _append_all(journal, [bytes(4_000)])]
    kept = sum(answers)

    # What is written while the directory is measured, once here, counts twice.
    assert 6 <= kept < 15
    assert not journal.healthy
    assert journal.outcomes == {"kept": kept, "backlog_full": 30 - kept}
    assert sum(path.stat().st_size for path in tmp_path.glob("*.segment")) < 50_000 + 5_000
    for path in tmp_path.glob("*.segment"):
        # The one that is written now is locked; a shipper takes the others.
        path.unlink()
    clock.advance(1)
    await wait_until_async(lambda: journal.healthy, "room for hits")

    assert await _append(journal, b"after")
    assert journal.outcomes["kept"] == kept + 1
    await journal.close()


async def test_worker_that_starts_on_a_full_backlog_is_not_ready(tmp_path: Path) -> None:
    """The limit holds over a restart, and readiness says so before the first hit comes."""
    (tmp_path / "left.over.segment").write_bytes(bytes(1_000))
    journal = Journal(tmp_path, SystemClock(), backlog_max_bytes=1_000)

    assert not journal.healthy
    assert not await _append(journal, b"hit")
    (tmp_path / "left.over.segment").unlink()
    await wait_until_async(lambda: journal.healthy, "room for hits")
    await journal.close()


@pytest.mark.parametrize("fsync", ["interval", "always"])
async def test_a_stalled_sync_costs_neither_memory_nor_disk_without_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Fsync
) -> None:
    """While `fsync` hung, hits were written and kept on though all of them were refused: 61 to 140 MB in 15 s."""
    monkeypatch.setattr("latchstring_gateway.beacons.journal.GIVE_UP_SECONDS", 0.05)
    monkeypatch.setattr("latchstring_gateway.beacons.unsynced.MOST_BYTES", 2_000_000)
    disk = _FaultyDisk()
    journal = Journal(tmp_path, SystemClock(), fsync=fsync, disk=disk)
    disk.may_sync.clear()
    payload = bytes(100_000)
    answers: list[bool] = []

    async def flood(megabytes: int) -> None:
        for _ in range(megabytes * 10):
            journal.append(payload, answers.append)
            await asyncio.sleep(0)

    await flood(8)
    first = sum(path.stat().st_size for path in tmp_path.iterdir())
    await wait_until_async(lambda: not journal.healthy, "it gives up")
    refused = answers.count(False)
    await flood(8)

    assert first < 3_000_000
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == first
    assert answers.count(False) >= refused + 80
    assert journal._unsynced.size_bytes < 2_200_000
    disk.may_sync.set()
    await wait_until_async(lambda: journal.healthy, "it recovers")
    assert await _append(journal, b"fine")
    await journal.close()
    assert _records(tmp_path)[payload] >= answers.count(True)


async def test_stalls_and_retries_leave_one_timer(tmp_path: Path) -> None:
    """Each wake with something unsynced set a timer of its own, which set the next: 44 to 155 syncs a second."""
    disk = _FaultyDisk()
    journal = Journal(tmp_path, SystemClock(), fsync="interval", disk=disk)
    for _ in range(60):
        await _append(journal, b"x")
        # Readiness wakes the journal, as every further hit may.
        _ = journal.healthy
        await asyncio.sleep(0.004)
    before, loop = disk.syncs, asyncio.get_running_loop()
    until = loop.time() + 0.5
    while loop.time() < until:
        await _append(journal, b"x")
        await asyncio.sleep(0.002)

    assert disk.syncs - before <= 0.5 / 0.05 + 2
    await journal.close()
