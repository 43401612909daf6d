"""`latchstring dead-letters list|show|fields|replay`: hits that could not be understood; nothing is thrown away."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from heapq import nlargest
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final

import duckdb
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from .. import settings
from ..beacons import payload
from ..clock import SystemClock
from ..housekeeping.replay import replay as replay_letters
from ..reports.dropped import dropped_fields
from ..settings import SettingsError
from ..shipping.catalogue import Catalogue, read_catalogue
from ..shipping.dead_letters import DeadLetter
from ..shipping.locks import LockedError
from ..shipping.pseudonyms import PseudonymKeyError
from ..shipping.run import JOURNAL, WAREHOUSE
from ..shipping.tally import hour_of
from ..supervise.people import letters_policy
from .ledger import AsJson
from .new_directory import UsedDataDir
from .words import give_up, printable, utc_time

_DEFAULT_DATA_DIR: Final = Path("data")
#: What fits into a line of the list.
_PREVIEW_CHARS: Final = 60

dead_letters = typer.Typer(no_args_is_help=True, help="Hits that could not be understood, with the reason.")

Reasons = Annotated[list[str], typer.Option("--reason", help="Only these; may be given several times.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to `app`."""
    app.add_typer(dead_letters, name="dead-letters")


@dead_letters.command("list")
def list_(
    data_dir: UsedDataDir = _DEFAULT_DATA_DIR,
    *,
    reason: Reasons = [],  # noqa: B006 - typer makes a list of its own
    limit: Annotated[int, typer.Option(min=1, help="How many of the latest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """How many there are for each reason, and the latest of them.

    Examples: latchstring dead-letters list ; latchstring dead-letters list --reason not_json --json
    """
    catalogue = read_catalogue(data_dir / WAREHOUSE)
    reasons = sum((catalogue.reasons_of(commit) for commit in catalogue.commits), Counter[str]())
    reasons = Counter({name: events for name, events in reasons.items() if not reason or name in reason})
    latest = _latest(catalogue, reason, limit)
    if as_json:
        print(json.dumps({"reasons": dict(reasons.most_common()), "latest": [_plain(letter) for letter in latest]}))
        return
    console = Console()
    if not reasons:
        console.print("No dead letters: every hit was understood.")
        return
    counts = Table(box=None, pad_edge=False, header_style="bold")
    counts.add_column("Reason")
    counts.add_column("Events", justify="right")
    for name, events in reasons.most_common():
        counts.add_row(name, f"{events:,}")
    console.print(counts)
    console.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Received", "Source", "Reason", "Id"):
        table.add_column(title, no_wrap=True)
    table.add_column("Said", overflow="ellipsis", no_wrap=True)
    for letter in latest:
        said = Text(printable(_said(letter)[:_PREVIEW_CHARS]))
        table.add_row(utc_time(letter.received_at_ms), letter.source, letter.reason, _id(letter), said)
    console.print(table)


@dead_letters.command()
def fields(
    data_dir: UsedDataDir = _DEFAULT_DATA_DIR,
    *,
    days: Annotated[int, typer.Option(min=1, max=3_660, help="So many days up to today, UTC.")] = 30,
    as_json: AsJson = False,
) -> None:
    """How often a field could not be read and was left out of an event that counts, by source and code.

    Example: latchstring dead-letters fields --days 7
    """
    try:
        found = dropped_fields(data_dir, days=days, now_ms=SystemClock().wall_ms())
    except duckdb.Error as error:
        give_up(error)
    if as_json:
        print(json.dumps([one._asdict() for one in found]))
    elif not found:
        print(f"No field was left out in {days} days.")
    else:
        table = Table("Source", "Left out", box=None, pad_edge=False, header_style="bold")
        table.add_column("Events", justify="right")
        for one in found:
            table.add_row(one.source, printable(one.code), f"{one.events:,}")
        Console().print(table)


@dead_letters.command()
def show(
    letter_id: Annotated[str, typer.Argument(help="As `list` tells it.")], data_dir: UsedDataDir = _DEFAULT_DATA_DIR
) -> None:
    """Everything that was kept of one, as JSON; exit code 1 if there is none of that id.

    Example: latchstring dead-letters show 0123456789abcdef0000000000000007.0
    """
    for letter in _letters(data_dir):
        if _id(letter) == letter_id:
            print(json.dumps(_plain(letter), indent=2, ensure_ascii=True))
            return
    print(f"no dead letter {printable(letter_id)[:60]}; see latchstring dead-letters list")
    raise typer.Exit(1)


@dead_letters.command()
def replay(
    data_dir: UsedDataDir = _DEFAULT_DATA_DIR,
    *,
    reason: Reasons = [],  # noqa: B006 - typer makes a list of its own
    as_json: AsJson = False,
) -> None:
    """Judge them again: what this version can read is counted, once, and the ledger says so.

    Run it after an upgrade that reads more than the version before. It may be repeated, and shippers may go on.
    """
    bar = Progress(
        TextColumn("Dead letters"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    try:
        with bar:
            task = bar.add_task("", total=None)
            found = replay_letters(
                data_dir / WAREHOUSE,
                data_dir / JOURNAL,
                SystemClock(),
                reasons=reason,
                policies=letters_policy(settings.read(data_dir=data_dir)).now,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except (LockedError, SettingsError, PseudonymKeyError) as error:
        give_up(error)
    if as_json:
        names = ("letters", "good", "duplicate", "excluded", "still_bad")
        print(json.dumps({name: getattr(found, name) for name in names}))
        return
    print(
        f"{found.letters:,} letters judged again: {found.good:,} events counted, {found.duplicate:,} duplicates, "
        f"{found.excluded:,} excluded, {found.still_bad:,} still bad."
    )


def _letters(data_dir: Path) -> Iterator[DeadLetter]:
    catalogue = read_catalogue(data_dir / WAREHOUSE)
    for commit in catalogue.commits:
        yield from catalogue.letters(commit)


def _latest(catalogue: Catalogue, reasons: list[str], limit: int) -> list[DeadLetter]:
    """The latest letters, from the latest files: older ones are not read if there are enough in those."""
    latest: list[DeadLetter] = []
    for commit in sorted(catalogue.commits, key=lambda commit: commit.last_hour, reverse=True):
        if len(latest) == limit and hour_of(latest[-1].received_at_ms) > commit.last_hour:
            break
        letters = (one for one in catalogue.letters(commit) if not reasons or one.reason in reasons)
        latest = nlargest(limit, chain(latest, letters), key=lambda letter: letter.received_at_ms)
    return latest


def _id(letter: DeadLetter) -> str:
    return f"{letter.record_id}.{letter.unit}"


def _said(letter: DeadLetter) -> str:
    """The body, or the target, in which it was said."""
    raw = base64.b64decode(letter.payload)
    try:
        hit = payload.decode(raw)
    except ValueError:
        return raw[:_PREVIEW_CHARS].decode("latin-1")
    return (hit.body or hit.target).decode("utf-8", "replace")


def _plain(letter: DeadLetter) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": _id(letter),
        "received_at": utc_time(letter.received_at_ms),
        "source": letter.source,
        "reason": letter.reason,
        "hit_id": letter.hit_id,
    }
    raw = base64.b64decode(letter.payload)
    try:
        hit = payload.decode(raw)
    except ValueError:
        return told | {"bytes": letter.payload}
    return told | {
        "network": hit.peer,
        "method": hit.method.decode("latin-1"),
        "target": hit.target.decode("utf-8", "backslashreplace"),
        "headers": {name.decode("latin-1"): value.decode("utf-8", "backslashreplace") for name, value in hit.headers},
        "body": hit.body.decode("utf-8", "backslashreplace"),
        "body_bytes": hit.body_bytes,
    }
