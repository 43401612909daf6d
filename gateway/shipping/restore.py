"""The index brought up to what is committed: after a crash, or after it was deleted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from .claim import segments_in
from .commits import Commit, Commits
from .dead_letters import read_dead_letters
from .seen import Claim, Seen, event_claim, hit_claim

_COLUMNS: Final = ["received_at", "hit_id", "event_id", "fingerprint", "offset", "unit"]


def restore(seen: Seen, warehouse: Path, journal: Path, commits: Commits) -> int:
    """Take in every committed segment that is missing; gives their number.

    Claims of segments that are neither committed nor in the journal are freed: whoever made them is gone for good.
    """
    waiting = {path.name.partition(".")[0] for path in segments_in(journal)}
    # Read in this order: a segment leaves the journal after its commit, so one that is in neither is nowhere.
    there = commits.ids()
    known = seen.segments(committed=True)
    with seen.transaction():
        for segment, number in seen.segments(committed=False).items():
            if segment not in waiting and segment not in there:
                seen.give_up(number)
    missing = sorted((commits.read(segment) for segment in there - known.keys()), key=lambda c: c.committed_at_ms)
    for commit in missing:
        number = seen.number(commit.segment)
        with seen.transaction():
            seen.claim(number, list(_claims(commit, warehouse)))
        seen.committed(number, commit.runs)
    return len(missing)


def _claims(commit: Commit, warehouse: Path) -> Iterator[Claim]:
    """The keys of what a segment has counted."""
    named = set()
    for entry in commit.events:
        table = pq.ParquetFile(warehouse / entry.path).read(_COLUMNS)
        columns = [table.column(0).cast("int64"), *(table.column(name) for name in _COLUMNS[1:])]
        for at_ms, hit_id, event_id, fingerprint, offset, unit in zip(*(c.to_pylist() for c in columns), strict=True):
            if hit_id and (hit_id, offset) not in named:
                named.add((hit_id, offset))
                yield hit_claim(hit_id, at_ms=at_ms, offset=offset)
            if event_id is not None:
                yield event_claim(event_id, fingerprint, at_ms=at_ms, offset=offset, unit=unit)
    if commit.dead_letters is not None:
        for letter in read_dead_letters(warehouse / commit.dead_letters.path):
            if letter.hit_id and (letter.hit_id, letter.offset) not in named:
                named.add((letter.hit_id, letter.offset))
                yield hit_claim(letter.hit_id, at_ms=letter.received_at_ms, offset=letter.offset)
