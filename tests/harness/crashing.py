"""Processes that die on purpose: a worker's journal and a shipper, killed at a chosen call or moment.

The functions run in processes of their own (multiprocessing, forkserver); they end by SIGKILL, by SIGALRM or well.
"""

import asyncio
import logging
import multiprocessing
import os
import resource
import signal
import struct
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from harness.evidence import breaks
from harness.hits import NOW_MS, TRUSTED, pixel
from harness.people import erasing_house, forgetting_shipper
from latchstring_gateway.beacons.group import Done
from latchstring_gateway.beacons.journal import Fsync, Journal
from latchstring_gateway.beacons.segment_file import Disk
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.housekeeping.compaction import to_compact
from latchstring_gateway.housekeeping.retention import LONGEST_REPORT_MS, Keeper
from latchstring_gateway.reports.events import committed_events
from latchstring_gateway.shipping.catalogue import Catalogue
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.shipping.tally import hour_of

_ACK = struct.Struct("<I")


def die() -> None:
    """As `kill -9` does it."""
    os.kill(os.getpid(), signal.SIGKILL)


class DeadlyDisk(Disk):
    """A disk in front of which the process dies: before, after or in the middle of one of the journal's calls."""

    def __init__(self, die_at: int, manner: str) -> None:
        self._left = die_at
        self._manner = manner

    def _due(self, manner: str) -> bool:
        return self._left == 0 and self._manner == manner

    def _call(self, act: Any, *arguments: Any) -> Any:
        self._left -= 1
        if self._due("before"):
            die()
        result = act(*arguments)
        if self._due("after"):
            die()
        return result

    def write(self, descriptor: int, data: bytes) -> int:
        """See `Disk.write`."""
        if self._left == 1 and self._manner == "half":
            super().write(descriptor, data[: len(data) // 2])
            die()
        return int(self._call(super().write, descriptor, data))

    def sync(self, descriptor: int) -> None:
        """See `Disk.sync`."""
        self._call(super().sync, descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        """See `Disk.truncate`."""
        self._call(super().truncate, descriptor, size)

    def reserve(self, descriptor: int, size: int) -> None:
        """See `Disk.reserve`."""
        self._call(super().reserve, descriptor, size)


class HastyJournal(Journal):
    """The mistake `answered-before-written`."""

    def append(self, payload: bytes, done: Done) -> None:
        """See Journal."""
        done(True)
        super().append(payload, lambda _kept: None)


def hit(number: int, at_ms: int = NOW_MS) -> bytes:
    """The hit of that number, with the request id that its proxy would give it on every try."""
    return pixel(b"p=/watch/%d" % number, hit_id=b"hit-%d" % number, at_ms=at_ms)


def run(target: Callable[..., None], *arguments: Any) -> int | None:
    """Run a function of this file in a process forked from a clean one; gives its exit code, negative for a signal."""
    processes = multiprocessing.get_context("forkserver")
    # What each child would import again, for half a second (pyarrow looks for pandas when it writes its first table).
    ours = (name for name in tuple(sys.modules) if name.startswith("latchstring_gateway."))
    processes.set_forkserver_preload(["pytest", "structlog", "duckdb", "pyarrow.parquet", "pandas", *ours])
    process = processes.Process(target=target, args=arguments)
    process.start()
    process.join(20)
    code = process.exitcode
    process.close()
    return code


def write(
    data_dir: Path, numbers: list[int], fsync: Fsync, die_at: int = 0, manner: str = "never"
) -> tuple[int | None, set[int]]:
    """Let a worker write hits in a process of its own; gives its end and what it had acknowledged by then."""
    acknowledged = data_dir / "acknowledged"
    code = run(write_hits, data_dir, acknowledged, numbers, fsync, die_at, manner)
    data = acknowledged.read_bytes() if acknowledged.exists() else b""
    acknowledged.unlink(missing_ok=True)
    return code, {number for (number,) in _ACK.iter_unpack(data)}


def counted(data_dir: Path) -> Counter[str]:
    """How often each page is in the warehouse, as its commit records tell."""
    with committed_events(data_dir / "warehouse") as base:
        if base is None:
            return Counter()
        return Counter(dict(base.execute("SELECT page, count(*) FROM events GROUP BY page").fetchall()))


def write_hits(data_dir: Path, acks: Path, numbers: list[int], fsync: Fsync, die_at: int, manner: str) -> None:
    """Append the hits of `numbers` in small groups; write each number that was kept to the file `acks`."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    ack_to = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    asyncio.run(_write_hits(data_dir, ack_to, numbers, fsync, DeadlyDisk(die_at, manner)))


async def _write_hits(data_dir: Path, ack_to: int, numbers: list[int], fsync: Fsync, disk: Disk) -> None:
    make = HastyJournal if breaks("answered-before-written") else Journal
    journal = make(
        data_dir / "journal", SystemClock(), fsync=fsync, segment_max_bytes=8_000, segment_max_seconds=0.05, disk=disk
    )
    for start in range(0, len(numbers), 5):
        group = numbers[start : start + 5]
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = set(group)
        for number in group:
            journal.append(hit(number), partial(_acknowledge, ack_to, number, waiting, answered))
        await answered
    await journal.close()


def _acknowledge(ack_to: int, number: int, waiting: set[int], answered: asyncio.Future[None], kept: bool) -> None:
    if kept:
        os.write(ack_to, _ACK.pack(number))
    waiting.discard(number)
    if not waiting:
        answered.set_result(None)


def ship_within(data_dir: Path, max_file_bytes: int) -> None:
    """Ship with a limit on the size of files: the system refuses to write more, as a full disk does."""
    with Shipper(data_dir, SystemClock(), TRUSTED) as shipper:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
        shipper.ship_once()


def ship_together(data_dir: Path, deaths: list[float]) -> list[int | None]:
    """Let so many shippers work at the same time, each until its death in seconds (0: it lives); gives their ends."""
    with ThreadPoolExecutor(len(deaths)) as threads:
        ends = [threads.submit(run, ship, data_dir, 0, death, number) for number, death in enumerate(deaths, 1)]
        return [end.result() for end in ends]


def ship(data_dir: Path, die_at_call: int, die_after_seconds: float, number: int = 1) -> None:
    """Ship what there is; die before the so-many-th call to the system or to SQLite, or after a time; 0 is never."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if die_after_seconds:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, die_after_seconds)
    _die_before_call(die_at_call)
    with Shipper(data_dir, SystemClock(), TRUSTED, number=number) as shipper:
        shipper.ship_once()


class HastyKeeper(Keeper):
    """The mistake `removes-before-it-folds`."""

    def _compact(self, catalogue: Catalogue, now_ms: int) -> bool:
        found = to_compact(catalogue, hour_of(now_ms))
        for commit in [] if found is None else found[1]:
            self._commits.remove(commit.segment)
        return super()._compact(catalogue, now_ms)


def keep(data_dir: Path, days_later: list[float], die_at_call: int) -> None:
    """Keep a warehouse until nothing is due, at several moments; die before the so-many-th call; 0 is never."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    clock = ManualClock()
    make = HastyKeeper if breaks("removes-before-it-folds") else Keeper
    keeper = make(data_dir / "warehouse", clock, keep_days=30)
    _die_before_call(die_at_call)
    for days in days_later:
        clock.advance(days * 86_400)
        while keeper.keep():
            pass


def erase(data_dir: Path, die_at_call: int) -> None:
    """Ship and erase until nothing is due, over three times the longest report; die before the so-many-th call."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    clock = ManualClock()
    _die_before_call(die_at_call)
    with forgetting_shipper(data_dir, clock) as shipper, erasing_house(data_dir, clock) as house:
        for _ in range(3):
            shipper.ship_once()
            while house.tidy():
                pass
            clock.advance(LONGEST_REPORT_MS / 1_000 + 1)


def _die_before_call(left: int) -> None:
    """Die before the so-many-th call to the system, to SQLite, Parquet or DuckDB from now on; 0 is never."""

    def count(_frame: FrameType, event: str, called: Any) -> None:
        nonlocal left
        if event == "c_call" and _touches_the_disk(called):
            left -= 1
            if left == 0:
                die()

    if left:
        sys.setprofile(count)


def _touches_the_disk(called: Any) -> bool:
    # Functions that only look are left out: nothing is different after them.
    if called.__module__ in ("posix", "_io", "fcntl"):
        return called.__name__ not in ("stat", "fstat", "fspath", "scandir", "listdir", "getpid", "pread", "lstat")
    return type(getattr(called, "__self__", None)).__module__ in ("sqlite3", "pyarrow._parquet", "_duckdb")
