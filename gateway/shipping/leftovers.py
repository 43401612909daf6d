"""Files that no record names: what a process left behind that died between writing files and recording them."""

from pathlib import Path

from . import dead_letters, parquet
from .adjustments import Adjustments
from .claim import segments_in
from .commits import Commits
from .durable import TEMPORARY_SUFFIX


def leftovers(warehouse: Path, journal: Path | None = None) -> list[Path]:
    """Files of rows and dead letters that no record names, half-made ones included.

    With `journal`, those are left out that a shipper may be making now, from a segment that stands there. Nobody may
    fold or replay meanwhile.
    """
    found = [
        path
        for directory in (parquet.DIRECTORY, dead_letters.DIRECTORY)
        for path in (warehouse / directory).rglob("*.*")
        if path.is_file()
    ]
    # Read in this order: a segment leaves the journal after its files are recorded.
    making = {_id(path) for path in segments_in(journal)} if journal is not None else set()
    named = Commits(warehouse).ids() | Adjustments(warehouse).ids()
    return [
        path
        for path in found
        if _id(path) not in making and (_id(path) not in named or path.name.endswith(TEMPORARY_SUFFIX))
    ]


def _id(path: Path) -> str:
    return path.name.partition(".")[0]
