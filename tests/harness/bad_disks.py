"""Disks on which things go wrong, and senders who send again what was refused."""

import asyncio
import errno
import os
import shutil
import sqlite3
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from harness.crashing import HastyJournal, counted, hit
from harness.evidence import breaks
from harness.hits import TRUSTED
from latchstring_gateway.beacons.journal import Journal
from latchstring_gateway.beacons.segment_file import Disk, SegmentFile
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.run import Shipper


class UnluckyDisk(Disk):
    """Every call fails now and then: full, broken, written in part; `luck` is the share that goes well.

    What a failed sync was asked for is gone, as the kernel may drop such pages: the file is cut back to what a sync has
    confirmed.
    """

    def __init__(self, chance: Random, luck: float) -> None:
        self._chance = chance
        self.luck = luck
        self.faults = 0
        self._confirmed: dict[int, int] = {}

    def _fails(self) -> bool:
        fails = self._chance.random() > self.luck
        self.faults += fails
        return fails

    def write(self, descriptor: int, data: bytes) -> int:
        """See `Disk.write`."""
        if not self._fails():
            return super().write(descriptor, data)
        short = self._chance.randrange(len(data))
        super().write(descriptor, data[:short])
        if self._chance.random() < 0.5:
            return short
        raise OSError(self._chance.choice([errno.ENOSPC, errno.EIO, errno.EDQUOT]), "injected")

    def sync(self, descriptor: int) -> None:
        """See `Disk.sync`."""
        inode = os.fstat(descriptor).st_ino
        if self._fails():
            os.ftruncate(descriptor, self._confirmed.get(inode, 0))
            raise OSError(errno.EIO, "injected")
        super().sync(descriptor)
        self._confirmed[inode] = os.fstat(descriptor).st_size

    def truncate(self, descriptor: int, size: int) -> None:
        """See `Disk.truncate`."""
        if self._fails():
            raise OSError(errno.EIO, "injected")
        super().truncate(descriptor, size)

    def reserve(self, descriptor: int, size: int) -> None:
        """See `Disk.reserve`."""
        if self._fails():
            raise OSError(errno.ENOSPC, "injected")
        super().reserve(descriptor, size)


class TrustingSegmentFile(SegmentFile):
    """The mistake `short-write-is-a-write`."""

    def write(self, disk: Disk, data: bytes) -> str | None:
        """See SegmentFile."""
        failure = super().write(disk, data)
        return None if failure is not None and failure.startswith("wrote") else failure


async def send_until_kept(journal: Journal, numbers: Iterable[int], *, group: int = 5, tries: int = 10_000) -> set[int]:
    """Send hits in small groups, each again until it is kept or `tries` are over; gives those that were kept."""
    waiting = list(numbers)
    kept: set[int] = set()
    while waiting and tries > 0:
        tries -= 1
        now, waiting = waiting[:group], waiting[group:]
        answered = await asyncio.gather(*(_send(journal, number) for number in now))
        again = [number for number, was_kept in zip(now, answered, strict=True) if not was_kept]
        kept |= set(now) - set(again)
        waiting = again + waiting
        if again:
            await asyncio.sleep(0.003)
    return kept


async def _send(journal: Journal, number: int) -> bool:
    answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    journal.append(hit(number), partial(_settle, answered))
    return await answered


def _settle(answered: "asyncio.Future[bool]", kept: bool) -> None:
    if not answered.done():
        answered.set_result(kept)


def fill_up(folder: Path) -> dict[str, Any]:
    """Write hits to a file system until it is full, make room, and go on; journal and warehouse share it."""
    return asyncio.run(_fill_up(folder))


async def _fill_up(folder: Path) -> dict[str, Any]:
    ballast = folder / "ballast"
    # What a reserve keeps free in earnest: to make room the shipper needs some.
    ballast.write_bytes(bytes(shutil.disk_usage(folder).total // 3))
    make = HastyJournal if breaks("answered-before-written") else Journal
    journal = make(folder / "journal", SystemClock(), fsync="always", segment_max_bytes=300_000)
    shipper = Shipper(folder, SystemClock(), TRUSTED)
    kept: set[int] = set()
    number = 0
    shipping_failed = False
    with shipper:
        while journal.healthy and number < 200_000:
            kept |= await send_until_kept(journal, range(number, number + 500), group=500, tries=1)
            number += 500
        refused = number - len(kept)
        try:
            shipper.ship_once()
        except (OSError, sqlite3.Error):
            shipping_failed = True
        while_full = ledger(folder)
        ballast.unlink()
        shipper.ship_once()
        # Senders come again with what was refused, and with new hits.
        kept |= await send_until_kept(journal, set(range(number + 500)) - kept, group=100)
        await journal.close()
        shipper.ship_once()
    found = counted(folder)
    missing = {f"/watch/{n}" for n in kept} ^ set(found)
    doubled = [page for page, times in found.items() if times > 1]
    after = ledger(folder)
    return {
        "hits": len(kept),
        "refused": refused,
        "shipping_failed": shipping_failed,
        "outcomes": dict(journal.outcomes),
        "wrong": len(missing) + len(doubled),
        "problems": while_full.problems + after.problems,
        "good": after.total.good,
        "pending": after.total.pending,
    }
