"""Looks at every file of a warehouse; what cannot be read is taken out of what counts only when somebody says so.

A Parquet file that is given up goes to quarantine/, and an adjustment says so first: its events leave `good` for
`excluded`, by the reason `damaged`. Records are never given up: without them nobody knows what their files are.
"""

from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow.parquet as pq

from ..clock import Clock
from ..ids import new_id
from ..shipping.adjustments import Adjustment, Adjustments, Unit
from ..shipping.catalogue import Catalogue, read_catalogue
from ..shipping.commits import Commit, Count, Exclusion, FileEntry
from ..shipping.dead_letters import read_dead_letters
from ..shipping.durable import make_directory, sync
from ..shipping.erasures import Erasures
from ..shipping.locks import KEEPER, locked
from ..shipping.parquet import is_damaged
from ..shipping.ship import QUARANTINE
from ..shipping.tally import hour_of
from ..shipping.unreadable import Unreadable, unreadable

REASON: Final = "damaged"
_COLUMNS: Final = ["received_at", "source", "record_id", "unit"]


class Checked(NamedTuple):
    """What was found: records and dead letters that cannot be read, and files of events by their commit's id."""

    records: list[Unreadable]
    files: dict[str, list[FileEntry]]


def check(warehouse: Path) -> Checked:
    """Read every file to its end, one row group at a time. Changes nothing."""
    catalogue = read_catalogue(warehouse)
    erasures = Erasures(warehouse)
    erasures.all()
    records = [*catalogue.unreadable, *erasures.unreadable.values()]
    for entry in catalogue.letter_files():
        try:
            lines = sum(1 for _ in read_dead_letters(warehouse / entry.path))
        except OSError as error:
            records.append(unreadable(entry.path, error))
        else:
            if lines != entry.rows:
                records.append(Unreadable(entry.path, f"{lines} of {entry.rows} lines"))
    files = {
        commit.segment: bad
        for commit in catalogue.commits
        if (bad := [entry for entry in catalogue.events_of(commit) if is_damaged(warehouse, entry)])
    }
    return Checked(records, files)


def give_up(warehouse: Path, checked: Checked, clock: Clock) -> int:
    """Set damaged files aside; gives how many events went with them. LockedError while others keep the warehouse."""
    with locked(warehouse / KEEPER):
        catalogue = read_catalogue(warehouse)
        return sum(
            _give_up(catalogue, commit, checked.files[commit.segment], clock)
            for commit in catalogue.commits
            if commit.segment in checked.files
        )


def _give_up(catalogue: Catalogue, commit: Commit, bad: list[FileEntry], clock: Clock) -> int:
    warehouse, adjustments = catalogue.warehouse, catalogue.adjustments_of(commit)
    gone = {unit for found in adjustments for unit in found.gone_rows}
    left, gone_here = Counter[tuple[str, str]](), 0
    for entry in catalogue.events_of(commit):
        if entry not in bad:
            counted, not_counted = _rows(warehouse / entry.path, gone)
            left.update(counted)
            gone_here += not_counted
    good = Counter[tuple[str, str]]()
    for count in catalogue.counts_of(commit):
        good[count.source, count.hour] += count.good
    lost = {key: events for key, events in (good - left).items() if events}
    Adjustments(warehouse).add(
        Adjustment(
            id=new_id(),
            made_at_ms=max([clock.wall_ms(), *(found.made_at_ms + 1 for found in adjustments)]),
            commit=commit.segment,
            why="damage",
            changes=[Count(source, hour, good=-n, excluded=n) for (source, hour), n in sorted(lost.items())],
            exclusions=[Exclusion(source, hour, REASON, n) for (source, hour), n in sorted(lost.items())],
            lost=[entry.path for entry in bad],
            lost_gone_rows=len(gone) - gone_here,
        )
    )
    for entry in bad:
        _set_aside(warehouse, entry.path)
    return sum(lost.values())


def _rows(path: Path, gone: set[Unit]) -> tuple[Counter[tuple[str, str]], int]:
    """The rows that count by source and hour, and how many do not."""
    counted, not_counted = Counter[tuple[str, str]](), 0
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=_COLUMNS)
            times = table.column("received_at").cast("int64")
            columns = [times, *(table.column(name) for name in _COLUMNS[1:])]
            for at_ms, source, record_id, unit in zip(*(column.to_pylist() for column in columns), strict=True):
                if gone and Unit(record_id.hex(), unit) in gone:
                    not_counted += 1
                else:
                    counted[source, hour_of(at_ms)] += 1
    return counted, not_counted


def _set_aside(warehouse: Path, path: str) -> None:
    make_directory(warehouse / QUARANTINE)
    if (warehouse / path).exists():
        (warehouse / path).rename(warehouse / QUARANTINE / path.replace("/", "."))
        sync(warehouse / QUARANTINE)
