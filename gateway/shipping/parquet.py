"""Events as Parquet: one schema, one file per segment and receipt hour, sorted, zstd.

warehouse/events/dt=2026-11-24/hour=09/<segment id>.parquet
"""

from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from .commits import FileEntry
from .durable import make_durably

DIRECTORY: Final = "events"

#: Column order is the order of `EventRows.add`'s rows.
SCHEMA: Final = pa.schema(
    [
        pa.field("received_at", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("unit", pa.int32(), nullable=False),
        pa.field("record_id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("page", pa.string(), nullable=False),
        pa.field("host", pa.string()),
        pa.field("event_id", pa.string()),
        pa.field("occurred_at", pa.timestamp("ms", tz="UTC")),
        pa.field("properties", pa.string()),
        pa.field("fingerprint", pa.binary(16), nullable=False),
        pa.field("hit_id", pa.string()),
        pa.field("device_kind", pa.string(), nullable=False),
        pa.field("os", pa.string(), nullable=False),
        pa.field("client", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("address_prefix", pa.string(), nullable=False),
        pa.field("machine", pa.string()),
        pa.field("gpc", pa.bool_(), nullable=False),
        pa.field("dnt", pa.bool_(), nullable=False),
        pa.field("visitor", pa.string()),
    ]
)
_SORT: Final = [("page", "ascending"), ("received_at", "ascending"), ("offset", "ascending"), ("unit", "ascending")]


def partition_of(hour: str) -> str:
    """The folder of an hour such as "2026-11-24T09"."""
    day, _, hour_of_day = hour.partition("T")
    return f"{DIRECTORY}/dt={day}/hour={hour_of_day}"


class EventRows:
    """The rows of one segment, gathered hour by hour; long segments are gathered in pieces to bound the memory."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._pieces: dict[str, list[pa.RecordBatch]] = {}

    def add(self, hour: str, row: tuple[Any, ...]) -> None:
        """A row in the order of `SCHEMA`; times are milliseconds since the epoch."""
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
