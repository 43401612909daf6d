"""`latchstring service-keys`: who may call /v1."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from .. import settings
from ..clock import SystemClock
from ..errors import EdgeError
from ..service_keys import ServiceKeys
from ..settings import SettingsError
from ..store.client import Store

T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]

service_keys_app = typer.Typer(no_args_is_help=True, help="Credentials of the website's backend: add, list, revoke.")


def register(app: typer.Typer) -> None:
    """Add the group to the command."""
    app.add_typer(service_keys_app, name="service-keys")


@service_keys_app.command("add")
def add_service_key(
    name: Annotated[str, typer.Argument(help="What it is for; shown in the list.")],
    *,
    reports_only: Annotated[
        bool, typer.Option("--reports-only", help="For /v1/reports and the dashboard only.")
    ] = False,
) -> None:
    """Make a credential for /v1 and print it, once: only its hash is kept."""
    print(with_store(lambda store: ServiceKeys(store, SystemClock()).add(name, reports_only=reports_only)))


@service_keys_app.command("list")
def list_service_keys(*, as_json: AsJson = False) -> None:
    """Show every credential: id, name, age, what it opens; never a secret."""
    found = with_store(lambda store: ServiceKeys(store, SystemClock()).list())
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "created": when(key.created_at_ms),
            "opens": "reports" if key.reports_only else "all of /v1",
        }
        for key in found
    ]
    empty = "No service key yet: latchstring service-keys add NAME"
    show(rows, ("id", "name", "created", "opens"), as_json=as_json, empty=empty)


@service_keys_app.command("revoke")
def revoke_service_key(key_id: Annotated[str, typer.Argument(help="The id from the list.")]) -> None:
    """Make a credential worthless from the next call on."""
    with_store(lambda store: ServiceKeys(store, SystemClock()).revoke(key_id))
    print(f"service key {key_id} is revoked")


def with_store(act: Callable[[Store], Awaitable[T]]) -> T:
    """What `act` gives on the store of the settings; exit 1, told in words, if it cannot be done."""

    async def run(url: str) -> T:
        store = Store(url)
        try:
            return await act(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run(settings.read().store_url))
    except (SettingsError, EdgeError) as error:
        print(error, file=sys.stderr)
        if isinstance(error, EdgeError) and error.code == "store_away":
            print("is `latchstring serve` running on this data directory (LATCHSTRING_DATA_DIR)?", file=sys.stderr)
        raise typer.Exit(1) from None


#: Columns that no table needs.
_WIDEST: Final = 10_000


def show(rows: list[dict[str, str]], columns: tuple[str, ...], *, as_json: bool, empty: str) -> None:
    """Print rows as a table, or as JSON; `empty` without any.

    Where a table would cut them off, each row has lines of its own: ids are given to other commands whole.
    """
    if as_json:
        print(json.dumps(rows))
        return
    if not rows:
        print(empty)
        return
    table = Table(*columns, box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    console = Console()
    if Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum <= console.width:
        console.print(table)
        return
    for row in rows:
        print("\n".join(f"{column}: {row[column]}" for column in columns if row[column]) + "\n")


def when(at_ms: int) -> str:
    """An instant in words, to the minute."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
