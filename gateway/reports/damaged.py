"""Files of events that cannot be read: which they are, of those that a report needs, so that it can name them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from ..shipping.commits import FileEntry

_REMEDY: Final = "put it back from a backup; reports of days that do not need it go on"


class DamagedFiles(Exception):
    """The files, by their paths relative to the warehouse, are the arguments."""

    def __str__(self) -> str:
        names = ", ".join(map(str, self.args[:5]))
        more = f" and {len(self.args) - 5} more" if len(self.args) > 5 else ""
        return f"cannot be read: {names}{more}; {_REMEDY}"


def refuse_cut(warehouse: Path, entries: Iterable[FileEntry]) -> None:
    """Raise DamagedFiles if files are missing or cut short. Cheap: it looks at the end of each, 20 µs."""
    bad = [entry.path for entry in entries if _is_cut(warehouse / entry.path)]
    if bad:
        raise DamagedFiles(*bad)


def refuse_damaged(warehouse: Path, entries: Iterable[FileEntry]) -> None:
    """Raise DamagedFiles if files cannot be read to their end, or have not the rows they should: reads all of them."""
    bad = [entry.path for entry in entries if is_damaged(warehouse, entry)]
    if bad:
        raise DamagedFiles(*bad)


def is_damaged(warehouse: Path, entry: FileEntry) -> bool:
    """Whether a file cannot be read to its end, one row group at a time, or has not its rows."""
    try:
        with pq.ParquetFile(warehouse / entry.path) as file:
            rows: int = sum(file.read_row_group(group).num_rows for group in range(file.num_row_groups))
    except (OSError, ValueError, pa.ArrowException):
        return True
    return rows != entry.rows


def _is_cut(path: Path) -> bool:
    """Whether a file does not end as Parquet does: length of the footer, then the magic number."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(size - 8, 0))
            end = file.read(8)
    except OSError:
        return True
    return end[4:] != b"PAR1" or int.from_bytes(end[:4], "little") + 12 > size
