"""Files that are wholly there or not at all, also after a power loss: temporary name, sync, rename, sync of folders."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

#: Only the owner reads what is known of people: every file that is made, and every directory.
FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
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
        temporary.chmod(FILE_MODE)
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
    private_directory(directory)
    sync(directory.parent)


def private_directory(directory: Path) -> None:
    """Make a directory, and those above it, that only its owner may enter, whatever the umask."""
    if directory.is_dir():
        return
    private_directory(directory.parent)
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=DIRECTORY_MODE)


def private_file(path: Path) -> None:
    """Make an empty file that only its owner may read, whatever the umask; one that is there stays as it is."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    os.close(descriptor)


def sync(path: Path) -> None:
    """Wait until a file or directory is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
