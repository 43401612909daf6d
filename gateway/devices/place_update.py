"""New data of places put in place of the former, after a trial on addresses whose place everybody knows.

Whatever fails, and wherever it is killed, the former file stays: the new one takes its name in one step.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ..clock import Clock
from .place import Data, PlaceFileError, Places, fetched_file, open_place_file
from .place_source import PlaceSourceError, Progress, copy, database_from

#: The statistics of all five registries in one file: daily, free (CC BY 4.0), by those who give the addresses out.
REGISTRIES: Final = "https://ftp.ripe.net/pub/stats/ripencc/nro-stats/latest/nro-delegated-stats"
#: Addresses that have not moved for decades, one at least of each registry, and one of IPv6.
_KNOWN: Final[dict[Data, dict[str, str | int]]] = {
    "countries": {
        "193.0.6.139": "NL",
        "2001:67c:2e8::1": "NL",
        "8.8.8.8": "US",
        "202.12.29.175": "AU",
        "200.3.14.10": "UY",
        "196.25.1.1": "ZA",
    },
    "providers": {"193.0.6.139": 3333, "2001:67c:2e8::1": 3333, "8.8.8.8": 15169, "1.1.1.1": 13335},
}


def update(
    data: Data,
    source: str,
    directory: Path,
    clock: Clock,
    *,
    integrity: str = "",
    progress: Progress = lambda _bytes, _total: None,
) -> Path:
    """Put what a source (place_source.py) gives into the directory; running workers take it up by themselves.

    Gives the file's path. Raises PlaceSourceError; then the former file, if any, is as it was.
    """
    try:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _alone_in(directory) as work:
            database = database_from(source, work, clock, integrity=integrity, progress=progress)
            _try(data, database)
            return _install(database, work / "tried.mmdb", fetched_file(directory, data))
    except OSError as error:
        raise PlaceSourceError(str(error)) from None


@contextmanager
def _alone_in(directory: Path) -> Iterator[Path]:
    """An empty folder beside the files, so that a rename is one step; for one update at a time, and gone afterwards."""
    work = directory / "new"
    with (directory / ".updating").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PlaceSourceError(f"another update of {directory} is under way") from None
        # Of one that was killed.
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _try(data: Data, database: Path) -> None:
    """Refuse what does not open, and what does not know the addresses that everybody knows."""
    try:
        open_place_file(database).close()
        places = Places(countries=database) if data == "countries" else Places(networks=database)
    except PlaceFileError as error:
        raise PlaceSourceError(str(error)) from None
    wrong = []
    for address, expected in _KNOWN[data].items():
        place = places.of(address)
        told = place.country if data == "countries" else place.asn
        if told is None:
            raise PlaceSourceError(f"it tells nothing of {address}: only a part of the data, or of something else")
        if told != expected:
            wrong.append(f"{address} in {told} instead of {expected}")
    # One may have moved since this was written.
    if len(wrong) > 1:
        raise PlaceSourceError(f"it tells wrong places: {', '.join(wrong)}")


def _install(database: Path, fresh: Path, to: Path) -> Path:
    with database.open("rb") as file:
        copy(file, fresh)
    fresh.chmod(0o644)
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(to)
    folder = os.open(to.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return to
