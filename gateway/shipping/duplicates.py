"""Duplicates that are found when both copies are committed: the later one leaves `good` for `duplicate`.

That happens only where warehouses were put together: shippers of one warehouse claim before they commit. Of two copies
the one with the smaller (receipt time, segment id, offset) counts, whichever was found first.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ..ids import new_id
from .adjustments import Adjustment, Duplicate, Place, Unit
from .catalogue import Catalogue
from .commits import Commit, Count, FileEntry, added_up
from .parquet import day_of
from .seen import Claim, Seen, event_claim, hit_claim
from .tally import hour_of

_COLUMNS: Final = ["received_at", "hit_id", "event_id", "fingerprint", "offset", "unit", "record_id", "source"]


class Counted(NamedTuple):
    """A row or a dead letter of a commit, with the claims that could find it to be a duplicate."""

    unit: Unit
    source: str
    hour: str
    is_letter: bool
    hit: Claim | None
    event: Claim | None


def counted(commit: Commit, catalogue: Catalogue, *, since_day: str = "") -> Iterator[Counted]:
    """Every row and dead letter of a commit that counts, of `since_day` ("2026-11-24") and later."""
    gone = {unit for found in catalogue.adjustments_of(commit) for unit in found.gone_rows}
    for entry in catalogue.events_of(commit):
        if day_of(entry.path) >= since_day:
            yield from (row for row in _rows(catalogue.warehouse, entry) if row.unit not in gone)
    for letter in catalogue.letters(commit):
        at_ms = letter.received_at_ms
        hit = None if letter.hit_id is None else hit_claim(letter.hit_id, at_ms=at_ms, offset=letter.offset)
        yield Counted(Unit(letter.record_id, letter.unit), letter.source, hour_of(at_ms), True, hit, None)


def _rows(warehouse: Path, entry: FileEntry) -> Iterator[Counted]:
    table = pq.ParquetFile(warehouse / entry.path).read(_COLUMNS)
    times = table.column("received_at").cast(pa.timestamp("ms", tz="UTC")).cast("int64")
    columns = [times, *(table.column(name) for name in _COLUMNS[1:])]
    for at_ms, hit_id, event_id, fingerprint, offset, unit, record_id, source in zip(
        *(column.to_pylist() for column in columns), strict=True
    ):
        hit = None if hit_id is None else hit_claim(hit_id, at_ms=at_ms, offset=offset)
        event = None
        if event_id is not None:
            event = event_claim(event_id, fingerprint, at_ms=at_ms, offset=offset, unit=unit)
        yield Counted(Unit(record_id.hex(), unit), source, hour_of(at_ms), False, hit, event)


def claims_of(rows: Sequence[Counted]) -> list[Claim]:
    """What a commit has claimed: each hit once, and each event that has an id."""
    # Offsets of folded segments may be alike, so hits go by their keys alone.
    hits = {row.hit.key: row.hit for row in reversed(rows) if row.hit is not None}
    return [*hits.values(), *(row.event for row in rows if row.event is not None)]


def settle(seen: Seen, catalogue: Catalogue, commit: Commit, lost: Sequence[Claim], *, now_ms: int) -> list[Adjustment]:
    """Decide between a commit and those who own already what it claims (`lost`); inside a transaction of the index.

    Gives an adjustment for each commit that loses; they must be durable before the transaction ends.
    """
    holders = {segment: found for found in catalogue.commits for segment in (found.segment, *found.folded)}
    by_id = {found.segment: found for found in catalogue.commits}
    holders |= {adjustment.id: by_id[adjustment.commit] for adjustment in catalogue.adjustments}
    number = seen.number(commit.segment)
    losing: dict[str, dict[Claim, Place]] = {}
    for claim in lost:
        owner = seen.owner(claim)
        if owner is None or owner.segment not in holders or holders[owner.segment].segment == commit.segment:
            continue
        if (owner.at_ms, owner.segment, owner.offset) < (claim.at_ms, commit.segment, claim.offset):
            place = Place(owner.segment, owner.offset, owner.unit)
            losing.setdefault(commit.segment, {})[claim] = place
        else:
            theirs = claim._replace(at_ms=owner.at_ms, offset=owner.offset, unit=owner.unit)
            place = Place(commit.segment, claim.offset, claim.unit)
            losing.setdefault(holders[owner.segment].segment, {})[theirs] = place
            seen.take_over(number, claim)
    adjustments = [_adjustment(holders[name], catalogue, claims, now_ms=now_ms) for name, claims in losing.items()]
    return [found for found in adjustments if found.duplicates]


def _adjustment(commit: Commit, catalogue: Catalogue, losing: dict[Claim, Place], *, now_ms: int) -> Adjustment:
    changes: list[Count] = []
    rows: list[Unit] = []
    letters: list[Unit] = []
    duplicates: list[Duplicate] = []
    # A hit's claim stands for all its events; places of a fold may be alike, so a claim goes by key and print.
    by_key = {(claim.key, claim.print): place for claim, place in losing.items()}
    for row in counted(commit, catalogue):
        claims = [claim for claim in (row.hit, row.event) if claim is not None]
        place = next((by_key[key] for c in claims if (key := (c.key, c.print)) in by_key), None)
        if place is not None:
            duplicates.append(Duplicate(row.unit, place))
            (letters if row.is_letter else rows).append(row.unit)
            changed = Count(row.source, row.hour, duplicate=1)
            setattr(changed, "bad" if row.is_letter else "good", -1)
            changes.append(changed)
    return Adjustment(
        id=new_id(),
        made_at_ms=now_ms,
        commit=commit.segment,
        why="duplicates",
        changes=added_up(changes),
        gone_rows=rows,
        gone_letters=letters,
        duplicates=duplicates,
    )
