"""Telling a data directory that was put back from a copy by one small file in it."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from latchstring_gateway.revocation.birthmark import Birth, Remembered, read, write

_S = 1_000_000_000


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory whose node has remembered something."""
    directory = tmp_path / "data"
    directory.mkdir()
    write(directory / "store-seen", 1_000)
    return directory


def _seen(directory: Path) -> Remembered | None:
    return read(directory / "store-seen")


def test_a_directory_that_was_copied_back_says_so(data: Path, tmp_path: Path) -> None:
    """The memory went back together with the store, and nobody noticed: a device removed since was let in again."""
    copies = {
        "cp": ["cp", "-a", str(data), str(tmp_path / "cp")],
        "tar": ["sh", "-c", f"mkdir {tmp_path}/tar && tar -C {data} -c . | tar -C {tmp_path}/tar -xp"],
    }
    time.sleep(0.02)  # a birth time is as exact as the kernel's clock tick

    for name, command in copies.items():
        subprocess.run(command, check=True)
        assert _seen(tmp_path / name) == Remembered(1_000, is_copy=True), name
    assert _seen(data) == Remembered(1_000, is_copy=False)


def test_one_that_was_written_over_in_place_says_so(data: Path, tmp_path: Path) -> None:
    """`rsync --inplace` keeps the inode: the file is then younger than it says, since it is made anew all the time."""
    backup = shutil.copytree(data, tmp_path / "backup")
    time.sleep(1.05)
    write(data / "store-seen", 2_000)

    (data / "store-seen").write_bytes((backup / "store-seen").read_bytes())

    assert _seen(data) == Remembered(1_000, is_copy=True)


def test_renaming_moving_and_new_owners_and_modes_are_no_copy(data: Path) -> None:
    """What operators do to a directory whose service is stopped."""
    (data / "store-seen").chmod(0o600)
    os.chown(data / "store-seen", os.getuid(), os.getgid())
    os.utime(data / "store-seen", (0, 0))
    renamed = data.rename(data.with_name("renamed"))

    assert _seen(renamed) == Remembered(1_000, is_copy=False)


@pytest.mark.parametrize(
    ("found", "stated", "is_copy"),
    [
        (Birth(1, 7 * _S, 0), Birth(1, 7 * _S, 0), False),
        (Birth(2, 7 * _S, 0), Birth(1, 7 * _S, 0), False),  # numbered anew at a mount
        (Birth(1, 7 * _S, 0), Birth(1, 7 * _S + 400_000_000, 0), False),  # whole seconds on the disk
        (Birth(1, 99 * _S, 0), Birth(1, 7 * _S, 0), True),  # the inode was used again
        (Birth(2, 7 * _S + 1, 0), Birth(1, 7 * _S, 0), True),
        # File systems without a birth time; and one that has it since an upgrade.
        (Birth(1, 0, 5 * _S), Birth(1, 0, 5 * _S), False),
        (Birth(2, 0, 5 * _S), Birth(1, 0, 5 * _S), False),
        (Birth(1, 0, 99 * _S), Birth(1, 0, 5 * _S), False),
        (Birth(2, 0, 99 * _S), Birth(1, 0, 5 * _S), True),
        (Birth(1, 7 * _S, 99 * _S), Birth(1, 0, 5 * _S), False),
    ],
)
def test_what_is_a_copy(found: Birth, stated: Birth, is_copy: bool) -> None:
    """By its birth time where there is one, else by inode and last change together."""
    assert found.is_copy(stated) is is_copy


@pytest.mark.parametrize("content", [b"", b"\xff", b"12x", b"-", b"1 2 3 x"])
def test_a_torn_file_says_nothing(tmp_path: Path, content: bytes) -> None:
    """A power loss may leave it empty, and is no reason to sign anybody out."""
    (tmp_path / "store-seen").write_bytes(content)

    assert _seen(tmp_path) == Remembered(0, is_copy=False)


def test_a_former_versions_file_is_read(tmp_path: Path) -> None:
    """It held the time alone."""
    (tmp_path / "store-seen").write_text("1700000000000")

    assert _seen(tmp_path) == Remembered(1_700_000_000_000, is_copy=False)
    assert read(tmp_path / "nothing") is None


def test_a_directory_that_cannot_be_written_is_survived(tmp_path: Path) -> None:
    """The former file stays."""
    write(tmp_path / "gone" / "store-seen", 1)
