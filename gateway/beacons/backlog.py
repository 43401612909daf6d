"""How much of the disk the hits take that wait for the shipper, and whether there is room for more.

The shipper needs room before it can take anything away: a disk that hits had filled to the last byte would stay full.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from .group import Outcome
from .segment import HEADER_BYTES, SUFFIX

#: How often the directory is measured. Between two measurements a worker knows of its own writes only: so the limit may
#: be passed by what the other workers write in this time.
MEASURE_EVERY_NS: Final = 1_000_000_000


class Backlog:
    """The segments of one journal directory, of all workers: `size_bytes`, and `oldest_ms`, when the longest waiting
    segment with a hit in it was last written to (milliseconds since the epoch, None without one). `free_bytes` is what
    was left of the file system at the last measurement, None before the first.

    Once `most_bytes` (0 sets no limit) is reached, or less than `reserve_bytes` of the file system are left, it counts
    as full until a measurement finds otherwise.
    """

    def __init__(self, directory: Path, *, most_bytes: int, reserve_bytes: int) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self.reserve_bytes = reserve_bytes
        self.free_bytes: int | None = None
        self._is_low = False
        self._measured_ns = 0
        self._grown_bytes = 0
        self.size_bytes = 0
        self.oldest_ms: int | None = None

    @property
    def refusal(self) -> Outcome | None:
        """Why nothing more may be written, or None."""
        if 0 < self._most_bytes <= self.size_bytes:
            return "backlog_full"
        return "disk_low" if self._is_low else None

    def is_due(self, now_ns: int) -> bool:
        """Whether it is time to measure again (CLOCK_BOOTTIME); says so once."""
        if now_ns - self._measured_ns < MEASURE_EVERY_NS:
            return False
        self._measured_ns = now_ns
        return True

    def grew(self, by_bytes: int) -> None:
        """Count what the worker itself has written."""
        self._grown_bytes += by_bytes
        self.size_bytes += by_bytes

    def measure(self) -> None:
        """Look at the directory (one that is not there is empty); waits for the disk, so not from an event loop."""
        grown_bytes = self._grown_bytes
        size, oldest_ns = 0, None
        with contextlib.suppress(OSError):
            found_system = os.statvfs(self._directory)
            self.free_bytes = found_system.f_bavail * found_system.f_frsize
            self._is_low = self.free_bytes < self.reserve_bytes
        with contextlib.suppress(FileNotFoundError), os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX):
                    with contextlib.suppress(FileNotFoundError):
                        found = entry.stat()
                        size += found.st_size
                        # One that a worker holds open and that nobody has hit yet is no backlog, however old.
                        if found.st_size > HEADER_BYTES:
                            oldest_ns = min(found.st_mtime_ns, oldest_ns or found.st_mtime_ns)
        # What was written meanwhile may be in it or not: better counted twice than not at all.
        self.size_bytes = size + self._grown_bytes - grown_bytes
        self.oldest_ms = None if oldest_ns is None else oldest_ns // 1_000_000
