"""A file of events that cannot be read is named; reports that do not need it go on."""

from pathlib import Path

import pytest

from harness.hits import NOW_MS
from harness.warehouse import commit
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.errors import ReportAway
from latchstring_gateway.reports.ask import ask
from latchstring_gateway.reports.asking import Reports
from latchstring_gateway.reports.damaged import DamagedFiles
from latchstring_gateway.reports.question import Question, question
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.cells import make_cells, path_of
from latchstring_gateway.shipping.parquet import is_damaged

_DAY_MS = 86_400_000


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A data directory with a day before today, and the file of today."""
    commit(tmp_path, [{"page": "/a", "received_at": NOW_MS - _DAY_MS}])
    made = commit(tmp_path, [{"page": f"/{number}"} for number in range(2_000)])
    return tmp_path, tmp_path / "warehouse" / made.events[0].path


def _asked(day: str) -> Question:
    return question("pages", {"from": [day], "to": [day]}, now_ms=NOW_MS, partner_people=20)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[60:400] = bytes(340)
    path.write_bytes(data)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_cut, _spoil, _empty, Path.unlink])
def test_a_damaged_file_is_named_and_costs_only_the_reports_that_need_it(
    files: tuple[Path, Path], damage: object
) -> None:
    """One Parquet file cut short turned every report into a raw SQL error."""
    data_dir, path = files
    assert callable(damage)
    damage(path)

    with pytest.raises(DamagedFiles, match=path.name) as error:
        ask(data_dir, _asked("2027-01-15"), ManualClock())

    assert "put it back" in str(error.value)
    assert ask(data_dir, _asked("2027-01-14"), ManualClock()).rows


async def test_a_worker_tells_which_file_it_is(files: tuple[Path, Path]) -> None:
    """By a code of its own."""
    data_dir, path = files
    _cut(path)

    with pytest.raises(ReportAway) as error:
        await Reports(data_dir, memory_mb=512, seconds=30).answer([_asked("2027-01-15")])

    assert error.value.code == "warehouse_file_unreadable"
    assert path.name in error.value.detail


def test_a_file_with_other_rows_than_it_should_have_is_damaged(files: tuple[Path, Path]) -> None:
    """Also when it can be read to its end."""
    data_dir, path = files
    (other,) = (entry for entry in read_catalogue(data_dir / "warehouse").event_files() if entry.rows == 1)
    (entry,) = (entry for entry in read_catalogue(data_dir / "warehouse").event_files() if entry.rows > 1)
    assert not is_damaged(data_dir / "warehouse", entry)
    path.write_bytes((data_dir / "warehouse" / other.path).read_bytes())

    assert is_damaged(data_dir / "warehouse", entry)


@pytest.mark.parametrize("damage", [_cut, _spoil, _empty, Path.unlink])
def test_a_report_that_needs_sums_only_does_without_the_damaged_file(tmp_path: Path, damage: object) -> None:
    """It was refused although it would not have read that file."""
    made = commit(tmp_path, [{"page": "/a"}] * 2_000, span="2027-01-15")
    make_cells(read_catalogue(tmp_path / "warehouse"), made)
    before = ask(tmp_path, _asked("2027-01-15"), ManualClock())
    assert callable(damage)
    damage(tmp_path / "warehouse" / made.events[0].path)

    assert ask(tmp_path, _asked("2027-01-15"), ManualClock()) == before
    assert before.gross == 2_000

    path_of(tmp_path / "warehouse", made.segment).unlink()
    with pytest.raises(DamagedFiles):
        ask(tmp_path, _asked("2027-01-15"), ManualClock())
