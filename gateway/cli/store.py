"""`latchstring store restored` and `store moved`: what to do after the store was put back from a backup, or moved."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from ..revocation.deal_with import Dealt, deal_with_moved, deal_with_restored
from .admin import with_store

#: A running store remembers something of each second.
_STOPPED_BEFORE_MS: Final = 60_000

store_app = typer.Typer(no_args_is_help=True, help="The store: after a backup was put back, or it was moved.")


def register(app: typer.Typer) -> None:
    """Add `store` to the command."""
    app.add_typer(store_app, name="store")


@store_app.command("restored")
def restored(
    backup_time: Annotated[
        str, typer.Option("--backup-time", help="When the backup was made: 2026-11-24T03:00:00Z, or milliseconds.")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The receipt as one JSON object.")] = False,
) -> None:
    """Sign everybody out, and let the workers trust the store again (docs/restoring.md).

    What was revoked after the backup is unknown to the store, so nobody who was signed in before may stay in.
    May be repeated. Exit codes: 0 done, 1 not done.
    """
    backup_ms = _instant(backup_time)
    dealt = with_store(lambda store: deal_with_restored(store, backup_ms=backup_ms))
    if as_json:
        print(json.dumps(asdict(dealt)))
        return
    _tell(dealt)


@store_app.command("moved")
def moved(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether nothing has run since the copy.")] = False,
) -> None:
    """Trust a store whose data directory was moved by copying it, with nothing lost; nobody is signed out.

    Only after a copy that was made while everything was stopped, and of which nothing has run since: what was revoked
    after the copy would be good again. Exit codes: 0 done, 1 not done.
    """
    if not yes:
        typer.confirm("Was everything stopped before the copy was made, and has nothing run since?", abort=True)
    at_ms = with_store(deal_with_moved)
    print(f"the store is trusted from {_when(at_ms)} on; nobody is signed out")


def _tell(dealt: Dealt) -> None:
    print(f"this copy of the store ends at {_when(dealt.remembered_ms)}; it was started at {_when(dealt.started_ms)}")
    if dealt.backup_ms > dealt.remembered_ms + _STOPPED_BEFORE_MS:
        print(
            f"right for a copy made at {_when(dealt.backup_ms)} if the store was stopped then, else it is another copy"
        )
    print("workers had noticed" if dealt.noticed else "no worker had noticed")
    print(f"every session begun before {_when(dealt.ended_at_ms)} is ended; everybody signs in again")
    print(f"{dealt.workers} registered workers trust the store again as soon as they have loaded it")


def _instant(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 16:
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise typer.BadParameter("expected a time with its zone, such as 2026-11-24T03:00:00Z, or milliseconds")
    return int(at.timestamp() * 1000)


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
