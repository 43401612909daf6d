"""Files are wholly there or not at all."""

import os
import stat
from pathlib import Path

import pytest

from harness.hits import NOW_MS, TRUSTED, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.daily import Daily
from latchstring_gateway.shipping.durable import make_durably, write_durably
from latchstring_gateway.shipping.pseudonyms import Pseudonyms
from latchstring_gateway.shipping.run import Shipper


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


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_may_read_what_a_shipper_makes(tmp_path: Path, umask: int) -> None:
    """Files of the warehouse were 0644: whoever had an account on the machine read them."""
    before = os.umask(umask)
    try:
        data_dir = tmp_path / "data"
        write_segment(data_dir, [pixel(b"p=/a", hit_id=b"h"), pixel(b"p=bad")])
        Pseudonyms.at(data_dir)
        assert Daily(data_dir, ManualClock()).of(NOW_MS, b"trace")
        with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
            shipper.ship_once()
            write_segment(data_dir, [pixel(b"p=/b")])
            found = {path: stat.S_IMODE(path.stat().st_mode) for path in data_dir.rglob("*")}
    finally:
        os.umask(before)

    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert {mode for path, mode in found.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if path.is_file()} == {0o600}
    assert {path.suffix for path in found} >= {".parquet", ".jsonl", ".json", ".sqlite", ".segment", ".key"}
