"""Cells: what the events of one commit add up to, so that a month is read from sums and not from events.

    warehouse/cells/<id>.<8 hex digits of how they are made>.parquet

One for each commit that took the place of others (housekeeping/compaction.py), so an hour first and then its day; made
by the keeper from that commit's files alone, and gone with them. A file that is not there costs time and nothing else:
reports make the same cells from the events. Cells of one key may stand in several rows; they are added up when they are
read.
"""

import hashlib
import shutil
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from .catalogue import Catalogue
from .columns import SCHEMA
from .commits import Commit
from .durable import TEMPORARY_SUFFIX, make_durably
from .visitors import sketch

DIRECTORY: Final = "cells"

#: What a cell stands for; each a column of the events but `day`, which is that of receipt.
KEYS: Final = (
    "type", "page", "link", "campaign", "message", "fetched_by", "country", "device_kind", "machine", "visitor_kind",
    "sharing",
)  # fmt: skip
#: Those that the cells without details have: far fewer, for answers that do not ask about pages or links.
COARSE: Final = ("type", "campaign", "country", "device_kind", "machine", "visitor_kind", "sharing")

CELL_SCHEMA: Final = pa.schema(
    [
        pa.field("day", pa.date32()),
        pa.field("coarse", pa.bool_()),
        *(pa.field(name, SCHEMA.field(name).type) for name in KEYS),
        pa.field("events", pa.int64()),
        pa.field("visitors", pa.binary()),
    ]
)

_MEMORY: Final = "768MB"
#: So many events are summed at a time: the pseudonyms of all of them must fit into memory.
_EVENTS_AT_A_TIME: Final = 2_000_000
_ROWS_AT_A_TIME: Final = 20_000

_DAY: Final = "CAST(received_at AS DATE)"
_CELLS: Final = f"""
SELECT {_DAY} AS day, grouping(page) = 1 AS coarse, {", ".join(KEYS)}, count(*) AS events {{pseudonyms}}
FROM {{events}}
GROUP BY GROUPING SETS (({_DAY}, {", ".join(KEYS)}), ({_DAY}, {", ".join(COARSE)}))
"""  # noqa: S608 - names of ours
_PSEUDONYMS: Final = ", list(DISTINCT visitor) FILTER (WHERE visitor NOTNULL) AS pseudonyms"
_MADE: Final = hashlib.blake2b(_CELLS.encode(), digest_size=4).hexdigest()
#: The visitors of one pass; whoever has no pseudonym is in the first.
_SHARE: Final = (
    "(SELECT * FROM events WHERE CASE WHEN visitor IS NULL THEN 0 ELSE hash(visitor) % {passes:d} END = {this:d})"
)


def cells_of(events: str) -> str:
    """SQL for the cells of a table of events; `pseudonyms` are the different visitors of each, not yet a sketch."""
    return _CELLS.format(events=events, pseudonyms=_PSEUDONYMS)


def counts_of(events: str, day: str = _DAY) -> str:
    """SQL for the same without visitors, which takes a fraction of the time and memory.

    `day` is SQL for the day of receipt, where that is not UTC's.
    """
    return _CELLS.format(events=events, pseudonyms="").replace(_DAY, day)


def path_of(warehouse: Path, commit: str) -> Path:
    """Where the cells of a commit are, if there are any."""
    return warehouse / DIRECTORY / f"{commit}.{_MADE}.parquet"


def has_cells(catalogue: Catalogue, commit: Commit) -> bool:
    """Whether a commit's cells are there and say what its files say by now."""
    return not catalogue.adjustments_of(commit) and path_of(catalogue.warehouse, commit.segment).exists()


def due(catalogue: Catalogue, *, but: Collection[str] = ()) -> Commit | None:
    """A commit whose cells should be made, or None; those in `but` are left alone."""
    for commit in catalogue.commits:
        ready = commit.segment not in but and commit.span and commit.events and not catalogue.adjustments_of(commit)
        if ready and not path_of(catalogue.warehouse, commit.segment).exists():
            return commit
    return None


def make_cells(catalogue: Catalogue, commit: Commit, *, events_at_a_time: int = _EVENTS_AT_A_TIME) -> None:
    """Make the cells of a commit, durable. Raises OSError or duckdb.Error."""
    files = [str(catalogue.warehouse / entry.path) for entry in commit.events]
    passes = 1 + sum(entry.rows for entry in commit.events) // events_at_a_time
    make_durably(path_of(catalogue.warehouse, commit.segment), partial(_write, files, passes))


def remove_others(warehouse: Path, commits: Iterable[str]) -> None:
    """Remove all cells but those of these commits."""
    kept = {path_of(warehouse, commit) for commit in commits}
    for path in (warehouse / DIRECTORY).glob("*.parquet"):
        if path not in kept:
            path.unlink(missing_ok=True)


def remove_unfinished(warehouse: Path) -> None:
    """Remove what somebody left behind who died while making cells; nobody may be making any meanwhile."""
    for path in (warehouse / DIRECTORY).glob(f"*{TEMPORARY_SUFFIX}*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _write(files: list[str], passes: int, path: Path) -> None:
    with (
        duckdb.connect(config={"memory_limit": _MEMORY, "threads": 1, "temp_directory": f"{path}.sums"}) as base,
        pq.ParquetWriter(path, CELL_SCHEMA, compression="zstd") as writer,
    ):
        base.execute("SET TimeZone = 'UTC'")
        base.register("no_rows", SCHEMA.empty_table())
        base.sql(
            "SELECT * FROM no_rows UNION ALL BY NAME "
            "SELECT * FROM read_parquet($files, union_by_name = true, hive_partitioning = false)",
            params={"files": files},
        ).create_view("events")
        for this in range(passes):
            share = _SHARE.format(passes=passes, this=this) if passes > 1 else "events"
            answer = base.sql(f"{cells_of(share)} ORDER BY coarse, type, page, day")
            for batch in answer.to_arrow_reader(_ROWS_AT_A_TIME):
                writer.write_table(pa.Table.from_batches([_with_sketches(batch)]))


def _with_sketches(batch: Any) -> pa.RecordBatch:
    """A batch of cells with sketches in the place of pseudonyms."""
    sketches = [None if found is None else sketch(found) for found in batch.column("pseudonyms").to_pylist()]
    columns = [
        pa.array(sketches, pa.binary()) if name == "visitors" else batch.column(name).cast(CELL_SCHEMA.field(name).type)
        for name in CELL_SCHEMA.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=CELL_SCHEMA)
