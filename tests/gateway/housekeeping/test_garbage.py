"""What is kept of garbage has a bound, and what is not kept is counted."""

import tracemalloc
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from harness.hits import NOW_MS, TRUSTED, batch, pixel, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.compaction import compact
from latchstring_gateway.housekeeping.garbage import merge_letters, shares
from latchstring_gateway.reports.ledger import ledger
from latchstring_gateway.shipping.catalogue import Catalogue, read_catalogue
from latchstring_gateway.shipping.commits import Commits
from latchstring_gateway.shipping.dead_letters import DeadLetter, write_dead_letters
from latchstring_gateway.shipping.run import Shipper

_DAY = "2027-01-15"


def _garbage(data_dir: Path) -> None:
    """Forty letters of one reason, and two of another."""
    for number in range(4):
        write_segment(data_dir, [pixel(b"x%d" % number) for _ in range(10)])
    write_segment(data_dir, [batch(b"{"), batch(b"{")])
    with Shipper(data_dir, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()


def test_a_flood_of_one_reason_leaves_the_letters_of_others_alone() -> None:
    """The room is shared: who needs less than an equal share gets all of it, the others what is left."""
    assert shares(Counter(a=10, b=20, c=1_000, d=2_000), 300) == {"a": 10, "b": 20, "c": 135, "d": 135}
    assert shares(Counter(a=10, b=20), 300) == {"a": 10, "b": 20}
    assert shares(Counter(), 300) == {}


def test_what_is_beyond_the_bound_is_counted_by_reason_and_the_ledger_adds_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """600 MB of garbage in an hour were kept, and held in memory (2.5 GB) when the hour was folded."""
    _garbage(tmp_path)
    monkeypatch.setattr("latchstring_gateway.housekeeping.compaction.DAY_LETTER_BYTES", 4_000)
    catalogue = read_catalogue(tmp_path / "warehouse")
    before = sum((catalogue.reasons_of(commit) for commit in catalogue.commits), Counter[str]())

    compacted = compact(catalogue, _DAY, catalogue.commits, now_ms=NOW_MS)
    Commits(tmp_path / "warehouse").add(compacted)

    assert compacted.dead_letters is not None
    assert (tmp_path / "warehouse" / compacted.dead_letters.path).stat().st_size <= 4_000
    assert compacted.dropped == {"no_page": 40 - (compacted.dead_letters.rows - 2)}
    found = ledger(tmp_path)
    assert (found.problems, found.total.bad, found.dropped) == ([], 42, Counter(compacted.dropped))
    after = read_catalogue(tmp_path / "warehouse")
    assert after.reasons_of(after.commits[0]) == before


def test_letters_are_written_as_they_are_read(tmp_path: Path) -> None:
    """Compaction held all letters of a day in memory: now one at a time, whatever there are. Here are 8 MB of them."""
    _garbage(tmp_path)
    warehouse = tmp_path / "warehouse"
    letter = DeadLetter(
        received_at_ms=NOW_MS, source="pixel", reason="x", record_id="0" * 32, offset=0, unit=0, payload="A" * 4_000
    )
    entry = write_dead_letters(warehouse, _DAY, "B" * 22, [letter] * 2_000)
    catalogue = read_catalogue(warehouse)
    first, *others = catalogue.commits
    catalogue = Catalogue(warehouse, [msgspec.structs.replace(first, dead_letters=entry), *others], [])

    tracemalloc.start()
    merged = merge_letters(catalogue, catalogue.commits, _DAY, "A" * 22, max_bytes=100_000_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert merged.entry is not None
    assert merged.entry.rows > 2_000
    assert most < 500_000
