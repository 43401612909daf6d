"""Whether a gateway has run on a data directory. If not, keys may be made unasked, and there is nothing to read."""

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

#: What a gateway makes when it first runs.
_TRACES: Final = ("store", "journal", "warehouse")


def was_used(data_dir: Path) -> bool:
    """Whether a gateway has run on this directory, so that somebody may hold cookies of its keys."""
    return any((data_dir / name).exists() for name in _TRACES)


def used(data_dir: Path) -> Path:
    """The directory, if a gateway has run on it; else say what is wrong and leave with status 78 (EX_CONFIG).

    A path with a typing mistake must not pass for a gateway that has counted nothing.
    """
    if was_used(data_dir):
        return data_dir
    what = "has neither journal nor warehouse" if data_dir.is_dir() else "is no directory"
    print(
        f"{data_dir} {what}: name the data directory that latchstring serve runs on, by --data-dir or "
        "LATCHSTRING_DATA_DIR",
        file=sys.stderr,
    )
    raise typer.Exit(os.EX_CONFIG)


#: The option of every command that reads what a gateway has written.
UsedDataDir = Annotated[
    Path,
    typer.Option("--data-dir", envvar="LATCHSTRING_DATA_DIR", help="Where journal and warehouse are.", callback=used),
]
