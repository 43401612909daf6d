"""One service a data directory: the directory itself is locked (flock) for as long as its supervisor lives.

Two would share journal, warehouse and metrics: the shippers of the second would die at each start, and its start would
remove the metrics of the first.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .. import logs
from ..node_health import SUPERVISOR, health_directory, read_file

_log: Final = logs.get("supervise")


class DirectoryInUse(Exception):
    """Another service runs on this data directory."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        super().__init__(directory, pid)
        self.directory = directory
        self.pid = pid

    def __str__(self) -> str:
        who = f"process {self.pid}" if self.pid else "another process"
        return (
            f"{self.directory} is in use by {who}, which serves it: "
            "stop that one first, or choose another directory with LATCHSTRING_DATA_DIR"
        )


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """Hold the lock within the block; makes the directory. Raises DirectoryInUse, and OSError if it cannot be opened.

    A file system without locks is no reason not to serve.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            said = read_file(health_directory(data_dir) / f"{SUPERVISOR}.json")
            raise DirectoryInUse(data_dir, None if said is None else said.pid) from None
        except OSError as error:
            _log.warning("no_lock", reason=str(error), remedy="see to it that one service runs on this directory")
        yield
    finally:
        os.close(descriptor)
