"""The ledger adds up over what is committed and what waits, and says so when it does not."""

from pathlib import Path

from harness.hits import HOUR, NOW_MS, TRUSTED, batch, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.commits import Count
from latchstring_gateway.shipping.run import Shipper


def _ship(data_dir: Path) -> None:
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()


def test_ledger_of_an_empty_data_directory_adds_up(tmp_path: Path) -> None:
    """Before the first hit there is nothing to account for."""
    found = ledger(tmp_path / "data")

    assert found.adds_up
    assert found.rows == []


def test_ledger_sums_commits_and_what_is_pending(tmp_path: Path) -> None:
    """Each hit is in one column, by source and hour."""
    late = NOW_MS + 3_600_000
    write_segment(tmp_path, [pixel(hit_id=b"1"), pixel(hit_id=b"1"), pixel(b"p=bad"), pixel(at_ms=late)])
    _ship(tmp_path)
    write_segment(tmp_path, [pixel(), batch(b'[{"page":"/a"},{"page":"/b"}]')])

    found = ledger(tmp_path)

    assert found.adds_up
    assert found.rows == [
        Count("batch", HOUR, received=2, pending=2),
        Count("pixel", HOUR, received=4, good=1, bad=1, duplicate=1, pending=1),
        Count("pixel", "2027-01-15T09", received=1, good=1),
    ]
    assert (found.total.received, found.total.good, found.segments) == (7, 2, 1)


def test_segment_that_is_committed_but_not_deleted_yet_counts_once(tmp_path: Path) -> None:
    """Between commit and deletion the commit record is right and the segment is old news."""
    path = write_segment(tmp_path, [pixel()])
    data = path.read_bytes()
    _ship(tmp_path)
    path.write_bytes(data)

    assert ledger(tmp_path).rows == [Count("pixel", HOUR, received=1, good=1)]


def test_missing_or_spoilt_file_is_a_problem(tmp_path: Path) -> None:
    """The ledger looks at the files, not only at what was written about them."""
    write_segment(tmp_path, [pixel(), pixel(b"p=bad")])
    _ship(tmp_path)
    next((tmp_path / "warehouse").rglob("*.parquet")).unlink()
    next((tmp_path / "warehouse").rglob("*.jsonl")).write_bytes(b"{}\n")

    found = ledger(tmp_path)

    assert not found.adds_up
    assert any("FileNotFoundError" in problem for problem in found.problems)
    assert any("1 good hits committed, 0 rows found" in problem for problem in found.problems)
    assert any("cannot be read (1 lines)" in problem for problem in found.problems)


def test_damage_and_power_loss_are_told(tmp_path: Path) -> None:
    """What may be missing is said with place and time, not passed over."""
    path = write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"p=/b"), pixel(b"p=/c")])
    data = bytearray(path.read_bytes()[:-32])
    data[data.index(b"p=/b")] ^= 1
    path.unlink()
    (path.parent / f"{path.name.partition('.')[0]}.{'A' * 22}.segment").write_bytes(data)
    _ship(tmp_path)

    found = ledger(tmp_path)

    assert found.adds_up
    assert (found.total.received, found.damaged_ranges) == (2, 1)
    assert found.damaged_bytes > 32
    assert [(loss.after_ms, loss.records) for loss in found.power_losses] == [(NOW_MS, 2)]


def test_the_dashboard_reads_no_dead_letter(tmp_path: Path) -> None:
    """Each look of it decoded all dead letters of 400 days. Records tell their number; a file that is gone shows."""
    write_segment(tmp_path, [pixel(b"p=/a"), pixel(b"bad"), pixel(b"bad")])
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()
    (letters,) = (tmp_path / "warehouse" / "dead-letters").rglob("*.jsonl")
    letters.write_bytes(b"no letters at all")

    assert ledger(tmp_path, reads_files=False).problems == []
    assert len(ledger(tmp_path).problems) == 2
    letters.unlink()
    assert [problem.endswith("is not there") for problem in ledger(tmp_path, reads_files=False).problems] == [True]
