"""Files of events that cannot be read: which they are, of those that a report needs, so that it can name them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..shipping.commits import FileEntry
from ..shipping.parquet import is_damaged

_REMEDY: Final = "put it back from a backup, or give it up: latchstring warehouse check --quarantine"


class DamagedFiles(Exception):
    """The files, by their paths relative to the warehouse, are the arguments."""

    def __str__(self) -> str:
        names = ", ".join(map(str, self.args[:5]))
        more = f" and {len(self.args) - 5} more" if len(self.args) > 5 else ""
        return f"cannot be read: {names}{more}; {_REMEDY}"


def refuse_cut(warehouse: Path, entries: Iterable[FileEntry]) -> None:
    """Raise DamagedFiles if files are missing or cut short. Cheap: it looks at the end of each, 20 µs."""
    bad = [entry.path for entry in entries if is_cut(warehouse / entry.path)]
    if bad:
        raise DamagedFiles(*bad)


def refuse_damaged(warehouse: Path, entries: Iterable[FileEntry]) -> None:
    """Raise DamagedFiles if files cannot be read to their end, or have not the rows they should: reads all of them."""
    bad = [entry.path for entry in entries if is_damaged(warehouse, entry)]
    if bad:
        raise DamagedFiles(*bad)


def is_cut(path: Path) -> bool:
    """Whether a file does not end as Parquet does: length of the footer, then the magic number."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(size - 8, 0))
            end = file.read(8)
    except OSError:
        return True
    return end[4:] != b"PAR1" or int.from_bytes(end[:4], "little") + 12 > size
