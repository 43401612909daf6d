"""Events as Parquet: one file per segment and receipt hour, sorted, zstd; of a very long segment several.

warehouse/events/dt=2026-11-24/hour=09/<segment id>.parquet      further ones: <segment id>.1.parquet, …
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from .columns import SCHEMA, Row
from .commits import FileEntry
from .durable import make_durably

DIRECTORY: Final = "events"

#: Packed rows that wait in memory until they are written, in bytes.
_MOST_BYTES: Final = 48 * 1024 * 1024

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
        self._rows: dict[str, list[Row]] = {}
        self._pieces: dict[str, list[pa.RecordBatch]] = {}
        self._size_bytes = 0
        self._files: dict[str, list[FileEntry]] = {}

    def add(self, hour: str, row: Row) -> None:
        """Gather a row."""
        self._rows.setdefault(hour, []).append(row)

    def pack(self) -> list[tuple[Row, Exception]]:
        """Turn the rows gathered so far into Arrow columns; gives those that do not fit, and why: they are left out."""
        bad: list[tuple[Row, Exception]] = []
        for hour, rows in self._rows.items():
            pieces = list(_batches(rows, bad))
            if pieces:
                self._pieces.setdefault(hour, []).extend(pieces)
                self._size_bytes += sum(piece.nbytes for piece in pieces)
        self._rows = {}
        return bad

    def spill(self, warehouse: Path, segment: str) -> None:
        """Write what is packed, if it is much: each hour has several files then. Raises OSError."""
        if self._size_bytes >= _MOST_BYTES:
            self._write(warehouse, segment)

    def write(self, warehouse: Path, segment: str) -> list[FileEntry]:
        """Write all files, each durable with its folders; the same segment always gives the same names."""
        self.pack()
        self._write(warehouse, segment)
        return [entry for _hour, entries in sorted(self._files.items()) for entry in entries]

    def _write(self, warehouse: Path, segment: str) -> None:
        for hour, pieces in self._pieces.items():
            table = pa.Table.from_batches(pieces, SCHEMA).sort_by(_SORT)
            files = self._files.setdefault(hour, [])
            path = f"{partition_of(hour)}/{segment}{f'.{len(files)}' if files else ''}.parquet"
            make_durably(warehouse / path, partial(_write_table, table))
            files.append(FileEntry(path, table.num_rows))
        self._pieces, self._size_bytes = {}, 0


def _batches(rows: list[Row], bad: list[tuple[Row, Exception]]) -> Iterator[pa.RecordBatch]:
    """The rows as columns. Where one does not fit, halves are tried, so that it costs nobody but itself."""
    try:
        yield _batch(rows)
    except (ValueError, TypeError, OverflowError) as error:
        if len(rows) == 1:
            bad.append((rows[0], error))
        else:
            middle = len(rows) // 2
            yield from _batches(rows[:middle], bad)
            yield from _batches(rows[middle:], bad)


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)]
    for column, field in zip(columns, SCHEMA, strict=True):
        if column.null_count and not field.nullable:
            raise ValueError(f"{field.name} is missing")
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _write_table(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd", use_dictionary=True, write_statistics=True)


def row_count(path: Path) -> int:
    """The number of rows a file says it has; OSError if it is not there, ValueError if it is no Parquet."""
    return int(pq.read_metadata(path).num_rows)


def is_damaged(warehouse: Path, entry: FileEntry) -> bool:
    """Whether a file cannot be read to its end, one row group at a time, or has not its rows."""
    try:
        with pq.ParquetFile(warehouse / entry.path) as file:
            rows: int = sum(file.read_row_group(group).num_rows for group in range(file.num_row_groups))
    except (OSError, ValueError, pa.ArrowException):
        return True
    return rows != entry.rows
