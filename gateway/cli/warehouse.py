"""`latchstring warehouse check`: whether every file of the warehouse can be read; those that cannot are set aside."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from ..clock import SystemClock
from ..housekeeping.check import check as check_warehouse
from ..housekeeping.check import give_up as give_up_files
from ..shipping.locks import LockedError
from ..shipping.run import WAREHOUSE
from .ledger import AsJson
from .new_directory import UsedDataDir
from .words import give_up

_DEFAULT_DATA_DIR: Final = Path("data")

warehouse = typer.Typer(no_args_is_help=True, help="The files that events are kept in.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `app`."""
    app.add_typer(warehouse, name="warehouse")


@warehouse.callback()
def _warehouse() -> None:
    """The files that events are kept in."""


@warehouse.command()
def check(
    data_dir: UsedDataDir = _DEFAULT_DATA_DIR,
    *,
    quarantine: Annotated[bool, typer.Option("--quarantine", help="Set damaged Parquet files aside for good.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read every file to its end, and name those that cannot be read.

    With --quarantine damaged Parquet files are set aside: their events count as excluded (damaged) from then on, the
    ledger says so, and reports go on. Put a file back from a backup first, if there is one.

    Exit codes: 0 all can be read, 1 something cannot (or could not, before it was set aside).
    """
    found = check_warehouse(data_dir / WAREHOUSE)
    files = [entry.path for entries in found.files.values() for entry in entries]
    events = 0
    if quarantine and files:
        try:
            events = give_up_files(data_dir / WAREHOUSE, found, SystemClock())
        except (LockedError, OSError) as error:
            give_up(error)
    if as_json:
        records = [{"path": one.path, "reason": one.reason} for one in found.records]
        print(json.dumps({"records": records, "files": files, "set_aside": quarantine, "events": events}))
    else:
        for one in found.records:
            print(one)
        for path in files:
            print(f"{path} cannot be read: put it back from a backup, or set it aside with --quarantine")
        if quarantine and files:
            print(f"Set aside in quarantine/: {len(files):,} files with {events:,} events, excluded as damaged.")
        if not (found.records or files):
            print("Every file can be read.")
    if found.records or files:
        raise typer.Exit(1)
