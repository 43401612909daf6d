"""Duplicates that are found when both copies are committed: the later one leaves `good` for `duplicate`.

That happens only where warehouses were put together: shippers of one warehouse claim before they commit. Of two copies
the one with the smaller (receipt time, segment id, offset) counts, whichever was found first.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ..ids import new_id
from ..shipping.adjustments import Adjustment, Duplicate, Place, Unit
from ..shipping.catalogue import Catalogue
from ..shipping.claims import Claim, event_claim, hit_claim
from ..shipping.commits import Commit, Count, FileEntry, added_up
from ..shipping.parquet import day_of
from ..shipping.seen import Seen
from ..shipping.tally import hour_of

_COLUMNS: Final = ["received_at", "hit_id", "event_id", "fingerprint", "offset", "unit", "record_id", "source"]
#: So many rows are in memory as Python objects at a time.
_ROWS_AT_A_TIME: Final = 10_000


class Counted(NamedTuple):
    """A row or a dead letter of a commit, with the claims that could find it to be a duplicate."""

    unit: Unit
    source: str
    hour: str
    #: Of a dead letter, why it is one; else empty.
    reason: str
    hit: Claim | None
    event: Claim | None


def counted(commit: Commit, catalogue: Catalogue, *, since_day: str = "") -> Iterator[Counted]:
    """Every row and dead letter of a commit that counts, of `since_day` ("2026-11-24") and later."""
    gone = {unit for found in catalogue.adjustments_of(commit) for unit in found.gone_rows}
    for entry in catalogue.events_of(commit):
        if day_of(entry.path) >= since_day:
            yield from (row for row in _rows(catalogue.warehouse, entry) if row.unit not in gone)
    for letter in catalogue.letters(commit, since_day=since_day):
        at_ms = letter.received_at_ms
        hit = None if letter.hit_id is None else hit_claim(letter.hit_id, at_ms=at_ms, offset=letter.offset)
        yield Counted(Unit(letter.record_id, letter.unit), letter.source, hour_of(at_ms), letter.reason, hit, None)


def _rows(warehouse: Path, entry: FileEntry) -> Iterator[Counted]:
    with pq.ParquetFile(warehouse / entry.path) as file:
        for batch in file.iter_batches(_ROWS_AT_A_TIME, columns=_COLUMNS):
            yield from _rows_of(batch)


def _rows_of(batch: pa.RecordBatch) -> Iterator[Counted]:
    times = batch.column("received_at").cast(pa.timestamp("ms", tz="UTC")).cast("int64")
    columns = [times, *(batch.column(name) for name in _COLUMNS[1:])]
    for at_ms, hit_id, event_id, fingerprint, offset, unit, record_id, source in zip(
        *(column.to_pylist() for column in columns), strict=True
    ):
        hit = None if hit_id is None else hit_claim(hit_id, at_ms=at_ms, offset=offset)
        event = None
        if event_id is not None:
            event = event_claim(event_id, fingerprint, at_ms=at_ms, offset=offset, unit=unit)
        yield Counted(Unit(record_id.hex(), unit), source, hour_of(at_ms), "", hit, event)


def claims_of(rows: Sequence[Counted]) -> list[Claim]:
    """What a commit has claimed: each hit once, and each event that has an id."""
    # Offsets of folded segments may be alike, so hits go by their keys alone.
    hits = {row.hit.key: row.hit for row in reversed(rows) if row.hit is not None}
    return [*hits.values(), *(row.event for row in rows if row.event is not None)]


class Settled(NamedTuple):
    """What was decided: adjustments, claims that pass to the commit, and whether nothing is left to be decided."""

    adjustments: list[Adjustment]
    won: list[Claim]
    is_complete: bool


def settle(
    seen: Seen,
    catalogue: Catalogue,
    commit: Commit,
    rows: Sequence[Counted],
    lost: Sequence[Claim],
    *,
    now_ms: int,
    in_hand: Collection[str] = (),
) -> Settled:
    """Decide between rows of a commit and those who own already what they claim (`lost`).

    Gives an adjustment for each commit that loses, and the claims that pass to this one once those are durable. What
    a segment owns that a shipper has in its hands (`in_hand`) is decided when that is committed.
    """
    holders = catalogue.holders
    losing: dict[str, dict[Claim, Place]] = {}
    won, is_complete = list[Claim](), True
    for claim in lost:
        owner = seen.owner(claim)
        if owner is not None and owner.segment in in_hand and owner.segment not in holders:
            is_complete = False
        if owner is None or owner.segment not in holders or holders[owner.segment].segment == commit.segment:
            continue
        if (owner.at_ms, owner.segment, owner.offset) < (claim.at_ms, commit.segment, claim.offset):
            place = Place(owner.segment, owner.offset, owner.unit)
            losing.setdefault(commit.segment, {})[claim] = place
        else:
            theirs = claim._replace(at_ms=owner.at_ms, offset=owner.offset, unit=owner.unit)
            place = Place(commit.segment, claim.offset, claim.unit)
            losing.setdefault(holders[owner.segment].segment, {})[theirs] = place
            won.append(claim)
    adjustments = []
    for name, claims in losing.items():
        loser = holders[name]
        # The other rows of a hit that lost are met in their own turn.
        of_loser = rows if name == commit.segment else counted(loser, catalogue)
        # Later than any other word on this commit, whatever the clock says.
        made_at_ms = max([now_ms, *(found.made_at_ms + 1 for found in catalogue.adjustments_of(loser))])
        adjustments.append(_adjustment(loser, of_loser, claims, made_at_ms=made_at_ms))
    return Settled([found for found in adjustments if found.duplicates], won, is_complete)


def _adjustment(commit: Commit, rows: Iterable[Counted], losing: dict[Claim, Place], *, made_at_ms: int) -> Adjustment:
    changes: list[Count] = []
    gone: list[Unit] = []
    letters: list[Unit] = []
    reasons = Counter[str]()
    duplicates: list[Duplicate] = []
    # A hit's claim stands for all its events; places of a fold may be alike, so a claim goes by key and print.
    by_key = {(claim.key, claim.print): place for claim, place in losing.items()}
    for row in rows:
        claims = [claim for claim in (row.hit, row.event) if claim is not None]
        place = next((by_key[key] for c in claims if (key := (c.key, c.print)) in by_key), None)
        if place is not None:
            duplicates.append(Duplicate(row.unit, place))
            (letters if row.reason else gone).append(row.unit)
            changed = Count(row.source, row.hour, duplicate=1)
            setattr(changed, "bad" if row.reason else "good", -1)
            changes.append(changed)
            if row.reason:
                reasons[row.reason] -= 1
    return Adjustment(
        id=new_id(),
        made_at_ms=made_at_ms,
        commit=commit.segment,
        why="duplicates",
        changes=added_up(changes),
        gone_rows=gone,
        gone_letters=letters,
        duplicates=duplicates,
        reasons=dict(reasons),
    )
