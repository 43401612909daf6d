"""The index brought up to what is committed: after a crash, or after it was deleted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from .claim import segments_in
from .commits import Commit, Commits, FileEntry
from .dead_letters import read_dead_letters
from .seen import Claim, Seen, event_claim, hit_claim

_COLUMNS: Final = ["received_at", "hit_id", "event_id", "fingerprint", "offset", "unit"]


def restore(seen: Seen, warehouse: Path, journal: Path, commits: Commits) -> int:
    """Take in every committed segment that is missing; gives the number of records that were read for it.

    Claims of segments that are neither committed nor in the journal are freed: whoever made them is gone for good.
    """
    waiting = {path.name.partition(".")[0] for path in segments_in(journal)}
    # Read in this order: a segment leaves the journal after its commit, so one that is in neither is nowhere.
    there = commits.all()
    committed = {segment for commit in there for segment in (commit.segment, *commit.folded)}
    with seen.transaction():
        for segment, number in seen.segments(committed=False).items():
            if segment not in waiting and segment not in committed:
                seen.give_up(number)
    known = seen.segments(committed=True).keys()
    missing = [commit for commit in there if not {commit.segment, *commit.folded} <= known]
    for commit in missing:
        number = seen.number(commit.segment)
        with seen.transaction():
            seen.claim(number, list(_claims(commit, warehouse)))
        seen.committed(number, commit.runs, also=commit.folded)
    return len(missing)


def _claims(commit: Commit, warehouse: Path) -> Iterator[Claim]:
    """The keys of what a record has counted. Offsets of folded segments may be alike, so hits go by their ids alone."""
    named: set[str] = set()
    for entry in commit.events:
        for at_ms, hit_id, event_id, fingerprint, offset, unit in _rows(warehouse, entry):
            if hit_id and hit_id not in named:
                named.add(hit_id)
                yield hit_claim(hit_id, at_ms=at_ms, offset=offset)
            if event_id is not None:
                yield event_claim(event_id, fingerprint, at_ms=at_ms, offset=offset, unit=unit)
    if commit.dead_letters is not None:
        for letter in read_dead_letters(warehouse / commit.dead_letters.path):
            if letter.hit_id and letter.hit_id not in named:
                named.add(letter.hit_id)
                yield hit_claim(letter.hit_id, at_ms=letter.received_at_ms, offset=letter.offset)


def _rows(warehouse: Path, entry: FileEntry) -> Iterator[tuple[int, str | None, str | None, bytes, int, int]]:
    table = pq.ParquetFile(warehouse / entry.path).read(_COLUMNS)
    times = table.column("received_at").cast(pa.timestamp("ms", tz="UTC")).cast("int64")
    columns = [times, *(table.column(name) for name in _COLUMNS[1:])]
    yield from zip(*(column.to_pylist() for column in columns), strict=True)
