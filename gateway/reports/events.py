"""The committed events as one DuckDB table called `events`: every row that counts, once, and no other."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from ..shipping.catalogue import Catalogue, read_catalogue
from ..shipping.columns import SCHEMA

#: Files of before a column was added have none of it; the first file of a query may be one of them.
_EVENTS: Final = """
CREATE TEMP VIEW events AS
SELECT * FROM (
    SELECT * FROM (SELECT * FROM no_rows) UNION ALL BY NAME
    SELECT * FROM read_parquet({files}, union_by_name = true, hive_partitioning = false)
) AS e
{without}
"""
_WITHOUT_GONE: Final = """
WHERE NOT EXISTS (SELECT 1 FROM gone WHERE gone.record_id = e.record_id AND gone.unit = e.unit)
"""


@contextlib.contextmanager
def committed_events(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """A connection with the table `events`, columns as in columns.py, times in UTC; None if nothing is committed.

    Duplicates that were found later are left out as long as their rows still stand in files. The answer is of the
    moment when this is entered; nothing may run for longer than `keeper.LONGEST_REPORT_MS`.
    """
    catalogue = read_catalogue(warehouse)
    files = [str(warehouse / entry.path) for entry in catalogue.event_files()]
    if not files:
        yield None
        return
    with duckdb.connect() as base:
        base.execute("SET TimeZone = 'UTC'")
        base.register("no_rows", SCHEMA.empty_table())
        if catalogue.gone_rows:
            base.register("gone", _gone(catalogue))
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        base.execute(_EVENTS.format(files=f"[{listed}]", without=_WITHOUT_GONE if catalogue.gone_rows else ""))
        yield base


def _gone(catalogue: Catalogue) -> pa.Table:
    rows = sorted(catalogue.gone_rows)
    return pa.table(
        {
            "record_id": pa.array([record_id for record_id, _ in rows], pa.binary()),
            "unit": pa.array([unit for _, unit in rows], pa.int32()),
        }
    )
