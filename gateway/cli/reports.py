"""`latchstring report pages` and `latchstring ledger`: what was seen, and that all of it was counted."""

import json
import math
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..clock import SystemClock
from ..reports.ledger import Ledger
from ..reports.ledger import ledger as read_ledger
from ..reports.queries import PopularPages, popular_pages
from .words import printable, utc_time

DataDir = Annotated[
    Path, typer.Option("--data-dir", envvar="LATCHSTRING_DATA_DIR", help="Where journal and warehouse are.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

_DEFAULT_DATA_DIR: Final = Path("data")

report = typer.Typer(no_args_is_help=True, help="What people look at.")


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `app`."""
    app.add_typer(report, name="report")
    app.command("ledger")(ledger)


@report.command()
def pages(
    data_dir: DataDir = _DEFAULT_DATA_DIR,
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many pages.")] = 20,
    days: Annotated[float | None, typer.Option(min=0, help="Only the last so many days.")] = None,
    as_json: AsJson = False,
) -> None:
    """The most popular pages.

    Examples: latchstring report pages --days 7 ; latchstring report pages --json
    """
    clock = SystemClock()
    since_ms = None if days is None else clock.wall_ms() - int(timedelta(days=days).total_seconds() * 1_000)
    answer = popular_pages(data_dir, clock, limit=limit, since_ms=since_ms)
    if as_json:
        print(json.dumps(asdict(answer), ensure_ascii=False))
        return
    _print_pages(answer, Console())


@report.callback()
def _report() -> None:
    """What people look at."""


def ledger(data_dir: DataDir = _DEFAULT_DATA_DIR, *, as_json: AsJson = False) -> None:
    """Prove that every hit is accounted for; exit code 1 if one is not.

    received = good + bad + duplicate + excluded + pending, by source and hour of receipt (UTC).
    """
    found = read_ledger(data_dir)
    if as_json:
        print(msgspec.json.encode({"adds_up": found.adds_up, "total": found.total, **_plain(found)}).decode())
    else:
        _print_ledger(found, Console())
    if not found.adds_up:
        raise typer.Exit(1)


def _plain(found: Ledger) -> dict[str, object]:
    return {
        "rows": found.rows,
        "segments": found.segments,
        "excluded": dict(found.excluded),
        "damaged_ranges": found.damaged_ranges,
        "damaged_bytes": found.damaged_bytes,
        "power_losses": found.power_losses,
        "problems": found.problems,
    }


def _print_pages(answer: PopularPages, console: Console) -> None:
    if not answer.rows:
        console.print("No page views yet. Hits show here a few seconds after they come in.")
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        rows = [
            (_number(row.net), _number(row.visitors or "-"), *map(_number, (row.gross, row.bots, row.prefetches)))
            for row in answer.rows
        ]
        names = ("Views", "Visitors", "Gross", "Bots", "Prefetch")
        widths = [max(len(name), *(len(row[index]) for row in rows)) for index, name in enumerate(names)]
        # The page gives way when the terminal is narrow, the figures never.
        room = max(8, console.width - sum(widths) - 2 * len(widths))
        table.add_column("Page", overflow="ellipsis", no_wrap=True, max_width=room)
        for name, width in zip(names, widths, strict=True):
            table.add_column(name, justify="right", no_wrap=True, min_width=width)
        for page, figures in zip(answer.rows, rows, strict=True):
            table.add_row(Text(printable(page.page)), *figures)
        console.print(table)
        console.print(Text("Views leave out bots, prefetches and HEAD requests.", style="dim"))
    line = f"As of {utc_time(answer.as_of_ms)}; complete up to {utc_time(answer.watermark_ms)}."
    console.print(Text(line, style="dim"))


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
            table.add_column(name.capitalize(), footer=_number(getattr(total, name)), justify="right", overflow="fold")
        for row in found.rows:
            hour = row.hour.replace("T", " ") + ":00"
            table.add_row(hour, Text(printable(row.source)), *(_number(getattr(row, name)) for name in columns))
        console.print(table)
    if found.excluded:
        reasons = ", ".join(f"{reason} {events:,}" for reason, events in sorted(found.excluded.items()))
        console.print(Text(f"Excluded: {printable(reasons)}."))
    for loss in found.power_losses:
        after = "an unknown time" if loss.after_ms is None else utc_time(loss.after_ms)
        console.print(
            f"Power loss: up to 100 ms of hits after {after} may be missing if fsync was not 'always', about "
            f"{_number(math.ceil(loss.rate / 10))} at the rate before (segment {loss.segment}, {loss.records} records)."
        )
    if found.damaged_ranges:
        console.print(f"Damaged: {found.damaged_ranges} ranges, {found.damaged_bytes} bytes, kept in quarantine/.")
    for problem in found.problems:
        console.print(Text(f"Does not add up: {printable(problem)}", style="bold red"))
    if found.rows and found.adds_up:
        console.print(Text(f"Adds up: every hit of {found.segments} committed segments is accounted for."))


def _number(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"
