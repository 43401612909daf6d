"""`latchstring ledger`: proof that all of it was counted."""

import math
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..reports.ledger import Ledger
from ..reports.ledger import ledger as read_ledger
from .new_directory import UsedDataDir
from .words import printable, utc_time

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="LATCHSTRING_DATA_DIR", help="Where journal and warehouse are.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

DEFAULT_DATA_DIR: Final = Path("data")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("ledger")(ledger)


def ledger(data_dir: UsedDataDir = DEFAULT_DATA_DIR, *, as_json: AsJson = False) -> None:
    """Prove that every hit is accounted for; exit code 1 if one is not.

    received = good + bad + duplicate + excluded + pending, by source and hour of receipt (UTC).
    """
    found = read_ledger(data_dir)
    if as_json:
        print(msgspec.json.encode({"adds_up": found.adds_up, **_plain(found)}).decode())
    else:
        _print_ledger(found, Console())
    if not found.adds_up:
        raise typer.Exit(1)


def _plain(found: Ledger) -> dict[str, object]:
    return {
        "total": msgspec.structs.asdict(found.total),
        "rows": [msgspec.structs.asdict(row) for row in found.rows],
        "segments": found.segments,
        "excluded": dict(found.excluded),
        "dropped": dict(found.dropped),
        "damaged_ranges": found.damaged_ranges,
        "damaged_bytes": found.damaged_bytes,
        "power_losses": found.power_losses,
        "problems": found.problems,
    }


def _print_ledger(found: Ledger, console: Console) -> None:
    if not found.rows:
        console.print("The ledger is empty: no hit has been received yet.")
    else:
        columns = ("received", "good", "bad", "duplicate", "excluded", "pending")
        table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
        table.add_column("Hour (UTC)", footer="All", no_wrap=True)
        table.add_column("Source", no_wrap=True)
        total = found.total
        for name in columns:
            table.add_column(name.capitalize(), footer=number(getattr(total, name)), justify="right", overflow="fold")
        for row in found.rows:
            hour = hour_text(row.hour)
            table.add_row(hour, Text(printable(row.source)), *(number(getattr(row, name)) for name in columns))
        console.print(table)
    if found.excluded:
        reasons = ", ".join(f"{reason} {events:,}" for reason, events in sorted(found.excluded.items()))
        console.print(Text(f"Excluded: {printable(reasons)}."))
    if found.dropped:
        reasons = ", ".join(f"{reason} {events:,}" for reason, events in sorted(found.dropped.items()))
        console.print(Text(f"Bad, and too many to keep more than their number: {printable(reasons)}."))
    for loss in found.power_losses:
        after = "an unknown time" if loss.after_ms is None else utc_time(loss.after_ms)
        console.print(
            f"Power loss: up to 100 ms of hits after {after} may be missing if fsync was not 'always', about "
            f"{number(math.ceil(loss.rate / 10))} at the rate before (segment {loss.segment}, {loss.records} records)."
        )
    if found.damaged_ranges:
        console.print(f"Damaged: {found.damaged_ranges} ranges, {found.damaged_bytes} bytes, kept in quarantine/.")
    for problem in found.problems:
        console.print(Text(f"Does not add up: {printable(problem)}", style="bold red"))
    if found.rows and found.adds_up:
        console.print(Text(f"Adds up: every hit of {found.segments} committed segments is accounted for."))


def hour_text(hour: str) -> str:
    """An hour of the ledger for a reader; a month stays one, which is all that is kept of old ones."""
    return f"{hour.replace('T', ' ')}:00" if "T" in hour else hour


def number(value: int) -> str:
    """A count, its thousands apart."""
    return f"{value:,}"
