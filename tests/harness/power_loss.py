"""A power loss without pulling the plug: what a disk holds for sure is what was synced, and nothing else is left."""

import os
import threading
from pathlib import Path

from latchstring_gateway.beacons.segment import SUFFIX, ids_of_name, segment_name
from latchstring_gateway.beacons.segment_file import Disk


class HonestDisk(Disk):
    """The real disk, which writes down how much of each file a sync has confirmed, and can be slow at it."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0
        self._lock = threading.Lock()
        self._confirmed: dict[int, int] = {}
        self._hurry = threading.Event()

    def sync(self, descriptor: int) -> None:
        """See `Disk.sync`. Only what was written before it began is confirmed by it."""
        found = os.fstat(descriptor)
        self._hurry.wait(self.delay_seconds)
        super().sync(descriptor)
        with self._lock:
            self._confirmed[found.st_ino] = max(found.st_size, self._confirmed.get(found.st_ino, 0))

    def hurry(self) -> None:
        """Wait no longer, now and later."""
        self._hurry.set()

    def after_power_loss(self, journal: Path, found_again: Path) -> None:
        """Make a journal directory as the next boot finds it, if power fails now."""
        with self._lock:
            confirmed = dict(self._confirmed)
            files = [(path.name, path.stat().st_ino, path.read_bytes()) for path in journal.glob(f"*{SUFFIX}")]
        found_again.mkdir(parents=True)
        for name, inode, data in files:
            if inode in confirmed:
                # As seen from the next boot, it was made in another one.
                theirs = segment_name(ids_of_name(name)[0], b"the boot before!")
                (found_again / theirs).write_bytes(data[: confirmed[inode]])
