"""What a dead process left behind goes; what a living one is making stays."""

import os
from pathlib import Path

from harness.hits import TRUSTED, pixel, write_segment
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.housekeeping.sweep import sweep
from latchstring_gateway.shipping.run import Shipper


def _files(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (data_dir / "warehouse").rglob("*.p*") if path.is_file())


def test_files_that_no_commit_names_are_swept(tmp_path: Path) -> None:
    """Half-made or whole: nobody counts them."""
    write_segment(tmp_path, [pixel(b"p=/a")])
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()
    (made,) = _files(tmp_path)
    folder = next((tmp_path / "warehouse/events").glob("dt=*/hour=*"))
    (folder / "AAAAAAAAAAAAAAAAAAAAAA.parquet").write_bytes(b"half")
    (folder / "AAAAAAAAAAAAAAAAAAAAAB.parquet.part").write_bytes(b"half")

    assert sweep(tmp_path / "warehouse", tmp_path / "journal", SystemClock()) == 2

    assert _files(tmp_path) == [made]


def test_files_of_a_segment_that_is_being_shipped_stay(tmp_path: Path) -> None:
    """Shippers go on meanwhile: a segment that stands in the journal may have files before it has a record."""
    making = write_segment(tmp_path, [pixel(b"p=/a")]).name.partition(".")[0]
    folder = tmp_path / "warehouse/events/dt=2027-01-15/hour=08"
    folder.mkdir(parents=True)
    for name in (f"{making}.parquet", f"{making}.parquet.part"):
        (folder / name).write_bytes(b"half")

    assert sweep(tmp_path / "warehouse", tmp_path / "journal", SystemClock()) == 0
    assert len(_files(tmp_path)) == 2


def test_half_made_records_go_when_nobody_has_touched_them_for_an_hour(tmp_path: Path) -> None:
    """A record may be written at this moment, by a worker or a shipper."""
    folder = tmp_path / "warehouse" / "erasures"
    folder.mkdir(parents=True)
    old, new = folder / "a.json.part", folder / "b.json.part"
    for path in (old, new):
        path.write_bytes(b"{")
    os.utime(old, (0, 0))

    assert sweep(tmp_path / "warehouse", tmp_path / "journal", SystemClock()) == 1
    assert (old.exists(), new.exists()) == (False, True)


def test_folders_of_days_that_are_gone_go_too(tmp_path: Path) -> None:
    """Twenty-five a day stayed for ever, and every look for leftovers went through all of them."""
    old = tmp_path / "warehouse/events/dt=2020-01-15/hour=08"
    new = tmp_path / "warehouse/events/dt=2020-01-16/hour=09"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))

    sweep(tmp_path / "warehouse", tmp_path / "journal", SystemClock())
    os.utime(old.parent, (0, 0))
    sweep(tmp_path / "warehouse", tmp_path / "journal", SystemClock())

    assert [path.name for path in (tmp_path / "warehouse/events").iterdir()] == ["dt=2020-01-16"]
    assert new.is_dir()


def test_quarantine_is_kept_for_as_long_as_events_are(tmp_path: Path) -> None:
    """Damaged segments stayed for ever, unless somebody was erased."""
    folder = tmp_path / "warehouse" / "quarantine"
    folder.mkdir(parents=True)
    old, new = folder / "a.segment", folder / "b.segment"
    for path in (old, new):
        path.write_bytes(b"damaged")
    os.utime(old, (0, 0))

    assert sweep(tmp_path / "warehouse", tmp_path / "journal", SystemClock()) == 0
    assert sweep(tmp_path / "warehouse", tmp_path / "journal", SystemClock(), keep_days=30) == 1
    assert (old.exists(), new.exists()) == (False, True)
