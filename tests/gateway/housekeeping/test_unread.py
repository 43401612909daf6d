"""A file that cannot be read: erasures wait for it, and nothing else does."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness.hits import NOW_MS, pixel, write_segment
from harness.people import ask_to_erase, erasing_house, files_with, forgetting_shipper
from latchstring_gateway import metrics
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.check import check, give_up
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.housekeeping.retention import LONGEST_REPORT_MS
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.catalogue import read_catalogue
from latchstring_gateway.shipping.commits import Commits, FileEntry
from latchstring_gateway.shipping.erasures import Erasure, Erasures

_HERS = pixel(b"p=/hers&consent=granted&user=ada-7f3a9c")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path.write_bytes(data)


class _World:
    """Three commits with a row of hers each; the first file is whole at `copy` as well."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.clock = data_dir, ManualClock()
        for number in range(3):
            write_segment(data_dir, [_HERS, pixel(b"p=/%d" % number)])
            with forgetting_shipper(data_dir, self.clock) as shipper:
                shipper.ship_once()
        self.entry: FileEntry = next(read_catalogue(data_dir / "warehouse").event_files())
        self.path = data_dir / "warehouse" / self.entry.path
        self.copy = data_dir / "copy"
        shutil.copy(self.path, self.copy)

    def keep_house(self, house: House, *, turns: int = 3) -> None:
        """Until nothing is due, and again after the longest report."""
        for _ in range(turns):
            while house.tidy():
                pass
            house.publish()
            self.clock.advance(LONGEST_REPORT_MS / 1_000 + 1)

    def others_with_hers(self) -> int:
        """In how many files she is, besides the damaged one."""
        others = set((self.data_dir / "warehouse" / "events").rglob("*.parquet")) - {self.path}
        return sum("/hers" in str(pq.ParquetFile(path).read(["page"]).to_pylist()) for path in others)

    def read(self, erasure: str) -> Erasure:
        found = Erasures(self.data_dir / "warehouse").read(erasure)
        assert found is not None
        return found


@pytest.mark.parametrize("damage", [Path.unlink, _cut, _spoil])
def test_a_file_that_cannot_be_read_keeps_an_erasure_open_and_hinders_nothing_else(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """The search raised in the end, and the next turn took it for done: complete, with her rows in the file.

    Until then nothing was compacted and nothing expired.
    """
    world = _World(tmp_path)
    damage(world.path)
    with erasing_house(tmp_path, world.clock) as house:
        erasure = ask_to_erase(tmp_path, users=["ada-7f3a9c"])
        world.keep_house(house)

        waiting = world.read(erasure)
        assert (waiting.state, waiting.events, waiting.unread) == ("rewriting", 2, [world.entry.path])
        assert metrics.ERASURE_UNREAD._value.get() == 1
        assert world.others_with_hers() == 0

        shutil.copy(world.copy, world.path)
        world.copy.unlink()
        world.keep_house(house)

        done = world.read(erasure)
        assert (done.state, done.events, done.unread) == ("complete", 3, [])
        assert metrics.ERASURE_UNREAD._value.get() == 0
    assert files_with(tmp_path, "/hers") == []
    assert ledger(tmp_path).excluded == {"erased": 3}
    assert ledger(tmp_path).problems == []


def test_an_erasure_is_complete_when_the_file_is_given_up(tmp_path: Path) -> None:
    """And what was set aside is gone with it."""
    world = _World(tmp_path)
    _cut(world.path)
    with erasing_house(tmp_path, world.clock) as house:
        erasure = ask_to_erase(tmp_path, users=["ada-7f3a9c"])
        world.keep_house(house)
        give_up(tmp_path / "warehouse", check(tmp_path / "warehouse"), world.clock)
        world.keep_house(house)

    assert (world.read(erasure).state, world.read(erasure).unread) == ("complete", [])
    assert list((tmp_path / "warehouse" / "quarantine").glob("*")) == []
    assert ledger(tmp_path).excluded == {"damaged": 2, "erased": 2}
    assert ledger(tmp_path).problems == []


def test_a_file_that_is_damaged_after_its_search_does_not_keep_others_from_being_rewritten(tmp_path: Path) -> None:
    """The first commit that could not be written anew was tried for ever, and all behind it waited."""
    world = _World(tmp_path)
    with erasing_house(tmp_path, world.clock) as house:
        erasure = ask_to_erase(tmp_path, users=["ada-7f3a9c"])
        while world.read(erasure).state != "rewriting":
            house.erase()
        _cut(world.path)
        while house.erase():
            pass

        assert world.read(erasure).unread == [world.entry.path]
        # The old files go when no report can be reading them.
        assert world.others_with_hers() == 2
        assert len(Commits(tmp_path / "warehouse").everything()) == 5

        shutil.copy(world.copy, world.path)
        world.copy.unlink()
        world.keep_house(house)
    assert (world.read(erasure).state, world.read(erasure).events) == ("complete", 3)
    assert files_with(tmp_path, "/hers") == []
    assert ledger(tmp_path).problems == []


def test_a_damaged_file_does_not_keep_its_day_from_being_compacted(tmp_path: Path) -> None:
    """An hour or day with such a file was left alone as a whole; and nothing at all was compacted or expired."""
    world = _World(tmp_path)
    _cut(world.path)
    with erasing_house(tmp_path, world.clock, keep_days=30) as house:
        ask_to_erase(tmp_path, users=["ada-7f3a9c"])
        while house.erase():
            pass
        world.clock.advance(2 * 86_400)
        with pytest.raises(Exception, match="parquet"):
            house.keeper.keep()
        while house.keeper.keep():
            pass

        spans = sorted(commit.span for commit in Commits(tmp_path / "warehouse").all())
        assert spans == ["", "2027-01-15"]
        world.clock.advance(40 * 86_400)
        while house.keeper.keep():
            pass
        assert [commit.expired for commit in Commits(tmp_path / "warehouse").all()] == [True]


def test_rows_that_another_erasure_writes_anew_during_a_search_are_found(tmp_path: Path) -> None:
    """A search is cut into steps: what had moved into another commit since it began was found and not taken out."""
    clock = _SteppingClock()
    for number in range(6):
        write_segment(tmp_path, [_HERS, pixel(b"p=/bob&consent=granted&user=bob"), pixel(b"p=/%d" % number)])
    with forgetting_shipper(tmp_path, clock) as shipper:
        shipper.ship_once()
    with erasing_house(tmp_path, clock) as house:
        first = ask_to_erase(tmp_path, users=["ada-7f3a9c"])
        erasures = Erasures(tmp_path / "warehouse")
        while (found := erasures.read(first)) is not None and found.state != "rewriting":
            house.erase()
        second = ask_to_erase(tmp_path, users=["bob"], at_ms=NOW_MS + 1)
        while house.erase():
            pass

    bob = erasures.read(second)
    assert bob is not None
    assert (bob.state, bob.events) == ("leaving", 6)
    assert ledger(tmp_path).excluded == {"erased": 12}
    assert ledger(tmp_path).problems == []


class _SteppingClock(ManualClock):
    """A clock that goes on by three quarters of a second at each look."""

    def boot_ns(self) -> int:
        """See Clock."""
        self.advance(0.75)
        return super().boot_ns()
