"""Events as Parquet: one file per segment and receipt hour, sorted, zstd.

warehouse/events/dt=2026-11-24/hour=09/<segment id>.parquet
"""

from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from .columns import SCHEMA
from .commits import FileEntry
from .durable import make_durably

DIRECTORY: Final = "events"

_SORT: Final = [("page", "ascending"), ("received_at", "ascending"), ("offset", "ascending"), ("unit", "ascending")]


def partition_of(hour: str) -> str:
    """The folder of an hour such as "2026-11-24T09"."""
    day, _, hour_of_day = hour.partition("T")
    return f"{DIRECTORY}/dt={day}/hour={hour_of_day}"


def day_of(path: str) -> str:
    """The day of a file in such a folder, as "2026-11-24"."""
    return path.partition("/dt=")[2][:10]


def hour_of_path(path: str) -> str:
    """The hour of a file in such a folder, as "2026-11-24T09"."""
    return f"{day_of(path)}T{path.partition('/hour=')[2][:2]}"


class EventRows:
    """The rows of one segment, gathered hour by hour; long segments are gathered in pieces to bound the memory."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._pieces: dict[str, list[pa.RecordBatch]] = {}

    def add(self, hour: str, row: tuple[Any, ...]) -> None:
        """A row in the order of `columns.COLUMNS`; times are milliseconds since the epoch."""
        self._rows.setdefault(hour, []).append(row)

    def pack(self) -> None:
        """Turn the rows gathered so far into Arrow columns."""
        for hour, rows in self._rows.items():
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)
            ]
            self._pieces.setdefault(hour, []).append(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
        self._rows = {}

    def write(self, warehouse: Path, segment: str) -> list[FileEntry]:
        """Write all files, each durable with its folders; the same segment always gives the same names."""
        self.pack()
        entries = []
        for hour, pieces in sorted(self._pieces.items()):
            table = pa.Table.from_batches(pieces, SCHEMA).sort_by(_SORT)
            path = f"{partition_of(hour)}/{segment}.parquet"
            make_durably(warehouse / path, partial(_write_table, table))
            entries.append(FileEntry(path, table.num_rows))
        return entries


def _write_table(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd", use_dictionary=True, write_statistics=True)


def row_count(path: Path) -> int:
    """The number of rows a file says it has; OSError if it is not there, ValueError if it is no Parquet."""
    return int(pq.read_metadata(path).num_rows)
