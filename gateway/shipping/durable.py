"""Files that are wholly there or not at all, also after a power loss: temporary name, sync, rename, sync of folders."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

#: A leftover of a crash; nobody reads it and the shipper sweeps it away.
TEMPORARY_SUFFIX: Final = ".part"


def write_durably(path: Path, data: bytes) -> None:
    """Write a whole file; raises OSError and leaves `path` as it was."""
    make_durably(path, lambda temporary: temporary.write_bytes(data))


def make_durably(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` make the file under a temporary name, then give it `path`; folders are made as needed."""
    make_directory(path.parent)
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        write(temporary)
        sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def make_directory(directory: Path) -> None:
    """Make a directory and those above it; each new name is synced in its parent."""
    if directory.is_dir():
        return
    make_directory(directory.parent)
    directory.mkdir(exist_ok=True)
    sync(directory.parent)


def sync(path: Path) -> None:
    """Wait until a file or directory is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
