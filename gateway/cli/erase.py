"""`latchstring erase` and `latchstring erasures`: forgetting a person's events, and what has become of that."""

import asyncio
import json
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import duckdb
import typer
from rich.console import Console
from rich.table import Table

from .. import logs, settings, wiring
from ..api_requests import checked_account
from ..clock import SystemClock
from ..errors import EdgeError, StoreAway
from ..housekeeping.eraser import Eraser
from ..ids import to_bytes
from ..pages.words import count
from ..privacy.all_nodes import AllNodes
from ..privacy.erasing import Erasing, told
from ..privacy.forget import Forgotten, forget
from ..running import Running
from ..settings import Settings, SettingsError
from ..shipping.erasures import Erasure, Erasures
from ..shipping.pseudonyms import PseudonymKeyError, Pseudonyms
from ..shipping.run import JOURNAL, WAREHOUSE
from ..shipping.seen import Seen
from ..store.client import Store
from ..tokens.keyring import KeyFileError
from .ledger import AsJson
from .new_directory import UsedDataDir
from .words import give_up, utc_time

_DEFAULT_DATA_DIR: Final = Path("data")
_NOT_YET: Final = 3
#: How often it looks whether shippers have gone on.
_LOOK_SECONDS: Final = 0.5

_STATES: Final = {
    "waiting": "waits for the shippers to take what was pending",
    "marking": "is being searched for",
    "rewriting": "no longer counts; files are being written anew",
    "leaving": "no longer counts; the old files go when no report can be reading them, a quarter of an hour later",
    "complete": "is complete",
}

Users = Annotated[list[str], typer.Option("--user", help="The website's own name for the account in its events.")]
Visitors = Annotated[list[str], typer.Option("--visitor", help="Id of a visitor cookie, as /v1/choices/read tells it.")]
Trackers = Annotated[list[str], typer.Option("--tracker", help="A tracker's own name for the visitor.")]
Recipients = Annotated[list[str], typer.Option("--recipient", help="Whom mails went to, as their links were made for.")]


def register(app: typer.Typer) -> None:
    """Add both commands to `app`."""
    app.command("erase")(erase)
    # One id in 64 begins with a dash.
    app.command("erasures", context_settings={"ignore_unknown_options": True})(erasures)


def erase(
    data_dir: UsedDataDir = _DEFAULT_DATA_DIR,
    *,
    user: Users = [],  # noqa: B006 - typer makes lists of its own
    visitor: Visitors = [],  # noqa: B006
    tracker: Trackers = [],  # noqa: B006
    recipient: Recipients = [],  # noqa: B006
    account: Annotated[str, typer.Option(help="Sign this account out, delete its devices, and its events.")] = "",
    wait: Annotated[float, typer.Option(min=0, max=3_600, help="Seconds to wait for the shippers.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Erase a person's events, on every node of an outside store, and what comes of them in the next 30 days.

        latchstring erase --user u-4711 --visitor 3q2-7wAAAAAAAAAAAAAAAA
        latchstring erase --account ada@example.com

    Exit codes: 0 complete, 1 not done (say it again), 3 under way: the shippers go on with it.
    """
    try:
        chosen = settings.read(data_dir=data_dir)
        names = [checked_account(account)] if account else []
        visitors = [_visitor_id(one) for one in visitor]
        if not (user or visitors or tracker or recipient or names):
            raise typer.BadParameter("name somebody: --user, --visitor, --tracker, --recipient or --account")
        erasing = Erasing(data_dir, Pseudonyms.at(data_dir), SystemClock())
        asked = asyncio.run(
            erasing.ask(
                users=[*user, *names],
                visitors=visitors,
                trackers=tracker,
                recipients=[*recipient, *names],
                repeat_key=None,
            )
        )
        if chosen.store != "embedded":
            asyncio.run(_tell_all_nodes(chosen, asked))
        forgotten = asyncio.run(_forget(chosen, account)) if account else None
        _go_on(chosen, asked.id, wait)
        found = asyncio.run(erasing.find(asked.id))
    except (SettingsError, KeyFileError, PseudonymKeyError, EdgeError, OSError, sqlite3.Error, duckdb.Error) as error:
        give_up(error)
    _print(found, forgotten, as_json=as_json)
    if found.state != "complete" or (forgotten is not None and forgotten.receipt.status != "complete"):
        raise typer.Exit(_NOT_YET)


def erasures(
    erasure: Annotated[str, typer.Argument(help="One of them, by its id.")] = "",
    data_dir: UsedDataDir = _DEFAULT_DATA_DIR,
    *,
    as_json: AsJson = False,
) -> None:
    """What has become of the erasures of this node, the latest first.

    Exit codes: 0, or 1 if there is none of that id or one cannot be read. Example: latchstring erasures --json
    """
    kept = Erasures(data_dir / WAREHOUSE)
    found = [one for one in reversed(kept.all()) if erasure in ("", one.id)]
    for bad in kept.unreadable.values():
        print(f"{bad.path} cannot be read ({bad.reason}): ask for that erasure again", file=sys.stderr)
    if as_json:
        print(json.dumps([told(one) for one in found]))
    elif found:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("Requested", "State", "Events", "Dead letters", "Id"):
            table.add_column(title, no_wrap=True, justify="right" if title in ("Events", "Dead letters") else "left")
        for one in found:
            table.add_row(utc_time(one.requested_at_ms), one.state, f"{one.events:,}", f"{one.dead_letters:,}", one.id)
        Console().print(table)
        _print_unread({path for one in found for path in one.unread})
    else:
        print("no erasure of this id; see latchstring erasures" if erasure else "Nobody was erased here.")
    if (erasure and not found) or kept.unreadable:
        raise typer.Exit(1)


def _visitor_id(text: str) -> bytes:
    try:
        return to_bytes(text)
    except ValueError as error:
        raise typer.BadParameter(f"--visitor: {error}") from None


async def _tell_all_nodes(chosen: Settings, asked: Erasure) -> None:
    store = Store(chosen.store_url, replicas=chosen.replicas)
    try:
        await AllNodes(store, Erasures(chosen.data_dir / WAREHOUSE)).tell(asked)
    finally:
        await store.close()


async def _forget(chosen: Settings, account: str) -> Forgotten:
    # What a worker tells of itself is not what who erases wants to read.
    logs.configure(level="error")
    async with Running(wiring.build(chosen)) as rooms:
        if not rooms.feed.loaded:
            raise StoreAway
        return await forget(rooms.store, rooms.revoker, rooms.trials, checked_account(account))


def _go_on(chosen: Settings, erasure: str, wait_seconds: float) -> None:
    """Take the steps that can be taken, beside the shippers or without any, until files are left to go alone."""
    logs.configure(level="error")
    clock = SystemClock()
    warehouse, journal = chosen.data_dir / WAREHOUSE, chosen.data_dir / JOURNAL
    seen = Seen(warehouse)
    may_go: Callable[[str], bool] = seen.is_sent if chosen.clickhouse else lambda _: True
    pseudonyms = Pseudonyms.at(chosen.data_dir)
    eraser = Eraser(warehouse, journal, clock, pseudonyms, committed=seen.holds_already, may_go=may_go)
    until_ns = clock.boot_ns() + round(wait_seconds * 1e9)
    pause = threading.Event()
    try:
        while True:
            found = Erasures(warehouse).read(erasure)
            if found is None or found.state in ("leaving", "complete"):
                eraser.advance()
                return
            if not eraser.advance():
                if found.unread or clock.boot_ns() > until_ns:
                    return
                pause.wait(_LOOK_SECONDS)
    finally:
        seen.close()


def _print_unread(paths: Iterable[str]) -> None:
    for path in sorted(paths):
        print(
            f"{path} cannot be read, so nobody knows whose rows it holds: put it back from a backup, "
            "or give it up with latchstring warehouse check --quarantine"
        )


def _print(found: Erasure, forgotten: Forgotten | None, *, as_json: bool) -> None:
    answer: dict[str, Any] = told(found)
    if forgotten is not None:
        answer["account"] = forgotten.as_dict()
    if as_json:
        print(json.dumps(answer))
        return
    if forgotten is not None:
        receipt = forgotten.receipt
        sessions, devices = count(forgotten.sessions, "session"), count(forgotten.devices, "device")
        trials = count(forgotten.trials, "free trial")
        print(
            f"Signed out ({receipt.applied} of {count(receipt.workers, 'worker')}, {receipt.status}); "
            f"{sessions}, {devices} and {trials} deleted."
        )
    print(f"Erasure {found.id} {_STATES[found.state]}.")
    if found.state != "waiting":
        print(f"{count(found.events, 'event')} and {count(found.dead_letters, 'dead letter')} taken out.")
    _print_unread(found.unread)
    print(f"What is received of them before {utc_time(found.until_ms)} is left out.")
    if found.state != "complete":
        print(f"See how far it is: latchstring erasures {found.id}")
