"""`latchstring store restored`: what to do after the store was put back from a backup."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from ..revocation.deal_with import Dealt, deal_with_restored
from .admin import with_store

store_app = typer.Typer(no_args_is_help=True, help="The store: after a backup was put back.")


def register(app: typer.Typer) -> None:
    """Add `store` to the command."""
    app.add_typer(store_app, name="store")


@store_app.callback()
def _group() -> None:
    """Keep it a group, with one command as with more."""


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


def _tell(dealt: Dealt) -> None:
    print(f"this copy of the store ends at {_when(dealt.remembered_ms)}; it was started at {_when(dealt.started_ms)}")
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
