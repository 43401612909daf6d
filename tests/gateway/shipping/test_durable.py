"""Files are wholly there or not at all."""

from pathlib import Path

import pytest

from latchstring_gateway.shipping.durable import make_durably, write_durably


def test_file_appears_whole_with_its_folders(tmp_path: Path) -> None:
    """Folders are made on the way, and nothing temporary stays."""
    write_durably(tmp_path / "a" / "b" / "c.json", b"data")

    assert (tmp_path / "a" / "b" / "c.json").read_bytes() == b"data"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c.json"]


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """Half a file never takes the place of a whole one."""
    path = tmp_path / "c.json"
    write_durably(path, b"old")

    def fail_halfway(temporary: Path) -> None:
        temporary.write_bytes(b"ne")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        make_durably(path, fail_halfway)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
