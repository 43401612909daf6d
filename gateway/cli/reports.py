"""`latchstring report`: popular pages, conversion, clicks, viewing, e-mail, audience; the last half hour."""

from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import duckdb
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .. import settings
from ..clock import SystemClock
from ..errors import BadRequest
from ..reports.answer import Answer, Value, csv_of, json_of
from ..reports.ask import ask
from ..reports.damaged import DamagedFiles
from ..reports.question import question
from ..reports.zones import in_words, zone_named
from ..settings import SettingsError
from .ledger import DEFAULT_DATA_DIR, AsJson, number
from .new_directory import UsedDataDir
from .words import give_up, printable

First = Annotated[str | None, typer.Option("--from", help="First day: 2026-11-01.")]
Last = Annotated[str | None, typer.Option("--to", help="Last day; today unless told.")]
Month = Annotated[str | None, typer.Option("--month", help="A whole month instead: 2026-10.")]
LastDays = Annotated[int | None, typer.Option("--days", help="So many days up to --to (30).")]
By = Annotated[str | None, typer.Option("--by", help="What the rows are; see docs/reports.md.")]
Country = Annotated[str | None, typer.Option("--country", help="Only this country: NL.")]
Device = Annotated[str | None, typer.Option("--device", help="Only this kind of device: tv.")]
Campaign = Annotated[str | None, typer.Option("--campaign", help="Only this campaign.")]
Zone = Annotated[str | None, typer.Option("--time-zone", help="Whose days and hours: Europe/Amsterdam.")]
Limit = Annotated[int, typer.Option("--limit", help="How many rows.")]
Partner = Annotated[bool, typer.Option("--partner", help="For partners: rows of too few people are withheld.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")]
Within = Annotated[int, typer.Option("--within-hours", help="All steps within so long of the first.")]
Steps = Annotated[list[str], typer.Argument(help="Two to eight: a type, type:/page or type:/page*.")]

report = typer.Typer(no_args_is_help=True, help="What people look at.")

_TOLD: Final = {
    "pages": "The most popular pages.\n\nExamples: latchstring report pages --days 7 ; latchstring report pages --json",
    "clicks": "What is clicked, by link, page or campaign.\n\nExample: latchstring report clicks --by page",
    "viewing": "How long people watch, by title, device, country, day, hour or weekday.\n\n"
    "Example: latchstring report viewing --by device --month 2026-10",
    "mail": "Opens and clicks of e-mail campaigns.\n\nExample: latchstring report mail --days 7",
    "audience": "Who comes, by day, country, device or campaign.\n\nExample: latchstring report audience --by country",
    "live": "The last 30 minutes.\n\nExample: latchstring report live --country NL",
}


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `app`."""
    app.add_typer(report, name="report")


def _table_command(name: str, told: str) -> None:
    def command(
        data_dir: UsedDataDir = DEFAULT_DATA_DIR,
        *,
        first: First = None,
        last: Last = None,
        month: Month = None,
        days: LastDays = None,
        time_zone: Zone = None,
        by: By = None,
        country: Country = None,
        device: Device = None,
        campaign: Campaign = None,
        limit: Limit = 20,
        partner: Partner = False,
        as_json: AsJson = False,
        as_csv: AsCsv = False,
    ) -> None:
        span = {"from": first, "to": last, "month": month, "days": days, "time_zone": time_zone}
        narrowed = {"country": country, "device": device, "campaign": campaign, "by": by, "limit": limit}
        asked = _lists({**span, **narrowed, "partner": "yes" if partner else None})
        _tell(name, asked, data_dir, as_json=as_json, as_csv=as_csv)

    command.__doc__ = told
    report.command(name)(command)


for _name, _told in _TOLD.items():
    _table_command(_name, _told)


@report.command()
def funnel(
    steps: Steps,
    data_dir: UsedDataDir = DEFAULT_DATA_DIR,
    *,
    first: First = None,
    last: Last = None,
    days: LastDays = None,
    time_zone: Zone = None,
    country: Country = None,
    device: Device = None,
    campaign: Campaign = None,
    within_hours: Within = 24 * 7,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """How many visitors go through given steps, in this order.

    Example: latchstring report funnel 'view:/' 'view:/watch/*' conversion --within-hours 24
    """
    span = {"from": first, "to": last, "days": days, "time_zone": time_zone}
    narrowed = {"country": country, "device": device, "campaign": campaign, "within_hours": within_hours}
    asked = {**_lists({**span, **narrowed}), "step": steps}
    _tell("funnel", asked, data_dir, as_json=as_json, as_csv=as_csv)


@report.callback()
def _report() -> None:
    """What people look at."""


def _lists(asked: dict[str, str | int | None]) -> dict[str, list[str]]:
    return {name: [str(value)] for name, value in asked.items() if value is not None}


def _tell(name: str, asked: dict[str, list[str]], data_dir: Path, *, as_json: bool, as_csv: bool) -> None:
    """Ask and print; exit 1, told in words, if it cannot be asked or answered."""
    clock = SystemClock()
    try:
        chosen = settings.read(data_dir=data_dir)
        found = question(name, asked, now_ms=clock.wall_ms(), **chosen.report_defaults()._asdict())
        answer = ask(data_dir, found, clock, memory_mb=chosen.report_memory_mb)
    except (SettingsError, BadRequest, DamagedFiles, duckdb.Error) as error:
        give_up(error)
    if as_json:
        print(json_of(answer).decode())
    elif as_csv:
        print(csv_of(answer), end="")
    else:
        _print_table(answer, Console())


def _print_table(answer: Answer, console: Console) -> None:
    if not answer.rows:
        console.print("Nothing yet. Hits show here some seconds after they come in.")
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        zone = zone_named(answer.question.time_zone)
        cells = [
            [_cell(column, value, zone) for column, value in zip(answer.columns, row, strict=True)]
            for row in answer.rows
        ]
        names = [_heading(column, zone) for column in answer.columns]
        widths = [max(len(text) for text in column) for column in zip(names, *cells, strict=True)][1:]
        # What the row is about gives way when the terminal is narrow, the figures never.
        table.add_column(
            names[0], overflow="ellipsis", no_wrap=True, max_width=max(8, console.width - sum(widths) - 2 * len(widths))
        )
        for name, width in zip(names[1:], widths, strict=True):
            table.add_column(name, justify="right", no_wrap=True, min_width=width)
        for row in cells:
            table.add_row(*(Text(text) for text in row))
        console.print(table)
    for line in _footnotes(answer):
        console.print(Text(line, style="dim"))


def _heading(column: str, zone: ZoneInfo) -> str:
    """The heading of a column; one of days or hours says whose they are."""
    name = column.replace("_", " ").capitalize()
    return f"{name} ({zone.key})" if column in ("day", "hour", "weekday", "minute") else name


def _cell(column: str, value: Value, zone: ZoneInfo) -> str:
    if value is None:
        return "-"
    if column == "minute":
        return in_words(int(value), zone, "%H:%M").partition(" ")[0]
    if column in ("of_first", "of_previous", "click_through"):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int | float) else printable(value)


def _footnotes(answer: Answer) -> list[str]:
    reasons = ", ".join(f"{printable(reason)} {number(events)}" for reason, events in sorted(answer.excluded.items()))
    counted = f"{number(answer.net)} of {number(answer.gross)} events count"
    lines = [f"{counted}; left out: {reasons}." if reasons else f"{counted}."]
    if answer.visitors is not None:
        about = f", give or take {answer.visitors_error:.1%}" if answer.visitors_error else ""
        lines.append(f"{number(answer.visitors)} visitors who can be told apart{about}.")
    if answer.withheld is not None:
        lines.append(
            f"{answer.withheld.rows} rows withheld: fewer than {answer.withheld.below_people} people, or beside such."
        )
    zone = zone_named(answer.question.time_zone)
    lines.append(f"As of {in_words(answer.as_of_ms, zone)}; complete up to {in_words(answer.watermark_ms, zone)}.")
    return lines
