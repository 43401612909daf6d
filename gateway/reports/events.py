"""The committed events as a DuckDB table `events`: every row that counts, once, and no other; beside it their sums."""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from ..shipping.catalogue import Catalogue, read_catalogue
from ..shipping.cells import CELL_SCHEMA, counts_of, has_cells, path_of
from ..shipping.columns import SCHEMA
from ..shipping.commits import FileEntry
from ..shipping.parquet import day_of
from . import zones
from .damaged import is_cut, refuse_cut
from .finding import local_time
from .question import Question

#: Files of before a column was added have none of it; the first file of a query may be one of them.
_EVENTS: Final = """
CREATE TEMP VIEW {name} AS
SELECT * FROM (
    SELECT * FROM (SELECT * FROM no_rows) UNION ALL BY NAME
    SELECT * FROM read_parquet({files}, union_by_name = true, hive_partitioning = false)
) AS e
{without}
"""
_NO_EVENTS: Final = "CREATE TEMP VIEW {name} AS SELECT * FROM no_rows"
_WITHOUT_GONE: Final = """
NOT EXISTS (SELECT 1 FROM gone WHERE gone.record_id = e.record_id AND gone.unit = e.unit)
"""
_WITHIN: Final = "received_at >= epoch_ms({0})::TIMESTAMPTZ AND received_at < epoch_ms({1})::TIMESTAMPTZ"
_CELLS: Final = """
CREATE TEMP VIEW cells AS
SELECT * FROM no_cells
{sums}
UNION ALL BY NAME SELECT * FROM loose_cells
"""
_LOOSE_CELLS: Final = "CREATE TEMP TABLE loose_cells AS {counts}"
_SUMS: Final = "UNION ALL BY NAME SELECT * FROM read_parquet({files}) WHERE day BETWEEN '{first}' AND '{last}'"


class Days(NamedTuple):
    """Days of receipt, UTC, both included; of those at the ends only what lies within the bounds, where there are any.

    Files and sums are of whole days of UTC, those of other time zones are not.
    """

    first: date
    last: date
    #: Milliseconds since the epoch; None: the days themselves.
    bounds_ms: tuple[int, int] | None = None
    #: SQL for the day of receipt.
    day: str = "received_at::DATE"

    def has(self, entry: FileEntry) -> bool:
        """Whether a file of events is of one of these days."""
        return self.first.isoformat() <= day_of(entry.path) <= self.last.isoformat()

    def whole(self) -> "Days":
        """Those of them that lie within the bounds as a whole; none if its first is after its last."""
        if self.bounds_ms is None:
            return self
        begin_ms, end_ms = self.bounds_ms
        return Days(_EPOCH + timedelta(-(-begin_ms // _DAY_MS)), _EPOCH + timedelta(end_ms // _DAY_MS - 1))


_EPOCH: Final = date(1970, 1, 1)
_DAY_MS: Final = 86_400_000
EVER: Final = Days(date.min, date.max)


def days_of(asked: Question, *, before: timedelta = timedelta()) -> Days:
    """The days whose events a question is about, and as long before its first as that."""
    if asked.time_zone == zones.DEFAULT:
        return Days(asked.first_day - before, asked.last_day)
    begin_ms = asked.begin_ms - before // timedelta(milliseconds=1)
    end_ms = asked.end_ms
    first, last = (_EPOCH + timedelta(at_ms // _DAY_MS) for at_ms in (begin_ms, end_ms - 1))
    return Days(first, last, (begin_ms, end_ms), f"{local_time(asked)}::DATE")


#: What a question may take; what does not fit into memory goes to the disk, if it can.
MEMORY_MB: Final = 1_024


@contextlib.contextmanager
def committed_events(
    warehouse: Path,
    days: Days = EVER,
    *,
    sums: bool = False,
    by_day: bool = False,
    memory_mb: int = MEMORY_MB,
) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """A connection with the table `events`, columns as in columns.py, times in UTC; None if nothing is committed.

    `by_day` says that sums are wanted by day: where these are not the days of UTC, all are counted from the events.
    With `sums` there is the table `cells` beside it, as in shipping/cells.py, of the same events: from files where
    there are such, else counted at once and without visitors; whose those are stands in the table `loose`. Duplicates
    that were found later are left out as long as their rows still stand in files. There is no table `events` if a file
    is missing or cut short that stands in such sums. The answer is of the moment when this
    is entered; nothing may run for longer than `housekeeping.retention.LONGEST_REPORT_MS`.
    """
    catalogue = read_catalogue(warehouse)
    entries = [entry for entry in catalogue.event_files() if days.has(entry)]
    if not entries:
        yield None
        return
    summed, loose = _summed(catalogue, days, by_day=by_day and days.bounds_ms is not None) if sums else ([], entries)
    refuse_cut(warehouse, loose)
    with (
        tempfile.TemporaryDirectory(prefix="latchstring-report-") as spill,
        duckdb.connect(config={"memory_limit": f"{memory_mb}MB", "temp_directory": spill}) as base,
    ):
        base.execute("SET TimeZone = 'UTC'")
        base.register("no_rows", SCHEMA.empty_table())
        if catalogue.gone_rows:
            base.register("gone", _gone(catalogue))
        if not any(is_cut(warehouse / entry.path) for entry in entries):
            _make_events(base, "events", catalogue, entries, days)
        if sums:
            _make_cells(base, catalogue, days, summed, loose)
        yield base


def _make_events(
    base: duckdb.DuckDBPyConnection, name: str, catalogue: Catalogue, entries: Iterable[FileEntry], days: Days
) -> None:
    files = _listed(catalogue.warehouse / entry.path for entry in entries)
    conditions = [_WITHOUT_GONE] if catalogue.gone_rows else []
    if days.bounds_ms is not None:
        conditions.append(_WITHIN.format(*days.bounds_ms))
    without = "WHERE " + " AND ".join(conditions) if conditions else ""
    base.execute((_EVENTS if files else _NO_EVENTS).format(name=name, files=files, without=without))


def _summed(catalogue: Catalogue, days: Days, *, by_day: bool) -> tuple[list[Path], list[FileEntry]]:
    """The files of sums, for whole days unless wanted `by_day` of a zone, and those of events that are in no sum."""
    whole = days.whole()
    summed: list[Path] = []
    loose: list[FileEntry] = []
    for commit in catalogue.commits:
        entries = [entry for entry in catalogue.events_of(commit) if days.has(entry)]
        if not by_day and entries and has_cells(catalogue, commit):
            if any(whole.has(entry) for entry in entries):
                summed.append(path_of(catalogue.warehouse, commit.segment))
            loose += [entry for entry in entries if not whole.has(entry)]
        else:
            loose += entries
    return summed, loose


def _make_cells(
    base: duckdb.DuckDBPyConnection, catalogue: Catalogue, days: Days, summed: list[Path], loose: list[FileEntry]
) -> None:
    """The table `cells`: from sums, else counted."""
    whole = days.whole()
    base.register("no_cells", CELL_SCHEMA.empty_table())
    _make_events(base, "loose", catalogue, loose, days)
    files = _listed(summed)
    base.execute(_LOOSE_CELLS.format(counts=counts_of("loose", days.day)))
    base.execute(_CELLS.format(sums=_SUMS.format(files=files, first=whole.first, last=whole.last) if files else ""))


def _listed(files: Iterable[Path]) -> str:
    """Files as a list in SQL; empty if there are none."""
    listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    return f"[{listed}]" if listed else ""


def _gone(catalogue: Catalogue) -> pa.Table:
    rows = sorted(catalogue.gone_rows)
    return pa.table(
        {
            "record_id": pa.array([record_id for record_id, _ in rows], pa.binary()),
            "unit": pa.array([unit for _, unit in rows], pa.int32()),
        }
    )
