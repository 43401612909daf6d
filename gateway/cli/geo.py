"""`latchstring geo`: the data that tell countries and providers of addresses: which are used, and newer ones."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from .. import settings
from ..clock import SystemClock
from ..devices import place_source
from ..devices.place import Data, Place, Places
from ..settings import Settings, SettingsError
from .words import give_up, relative

geo_app = typer.Typer(no_args_is_help=True, help="Countries and providers of addresses: what is used, and newer data.")
_AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


class _Data(StrEnum):
    COUNTRIES = "countries"
    PROVIDERS = "providers"


def register(app: typer.Typer) -> None:
    """Add `geo` to the command."""
    app.add_typer(geo_app, name="geo")


@geo_app.callback()
def _geo() -> None:
    """Countries and providers of addresses."""


@geo_app.command("show")
def show(
    addresses: Annotated[list[str] | None, typer.Argument(metavar="[ADDRESS]...", help="Looked up, if given.")] = None,
    *,
    as_json: _AsJson = False,
) -> None:
    """Show which data are used and how old they are, and what they tell of addresses.

    latchstring geo show 193.0.6.139
    """
    places = _chosen().open_places()
    found = {address: places.of(address) for address in addresses or []}
    if as_json:
        told = {"data": _origins(places), "addresses": {address: place._asdict() for address, place in found.items()}}
        print(json.dumps(told, indent=2))
        return
    _print_origins(places)
    if found:
        _print_places(found)


@geo_app.command("update")
def update(
    data: Annotated[_Data, typer.Argument(help="Which data; providers need --from.")] = _Data.COUNTRIES,
    source: Annotated[
        str, typer.Option("--from", metavar="URL|FILE", help="A MaxMind DB, also .gz or in a .tar; https only.")
    ] = "",
    integrity: Annotated[
        str, typer.Option(help="Its hash: 64 hex digits of SHA-256, or sha512-... as npm has it.")
    ] = "",
    *,
    as_json: _AsJson = False,
) -> None:
    """Put newer data into DATA_DIR/places; workers and shippers take them up within seconds.

        latchstring geo update
        latchstring geo update providers --from https://www.example.com/asn.mmdb.gz

    Countries come from the statistics of the five Internet registries unless --from names something else. The former
    data stay unless the new ones open and know the addresses that everybody knows.
    """
    # Imported late: what writes such a file takes 0.2 s, which other commands need not wait for.
    from ..devices.place_update import REGISTRIES, update

    chosen = _chosen()
    if not source and data is _Data.PROVIDERS:
        give_up(
            ValueError("providers: nobody gives their data away freely enough to be a default; name a file by --from")
        )
    kind: Data = data.value
    try:
        with _bar() as progress:
            path = update(
                kind,
                source or REGISTRIES,
                chosen.data_dir / "places",
                SystemClock(),
                integrity=integrity,
                progress=progress,
            )
    except place_source.PlaceSourceError as error:
        give_up(place_source.PlaceSourceError(f"{kind} not updated, what was there stays: {error}"))
    origins = _origins(chosen.open_places())
    used = next((origin for origin in origins if origin["data"] == kind), None)
    is_used = used is not None and used["source"] == str(path)
    if as_json:
        print(json.dumps({"data": kind, "path": str(path), "used": is_used, "origins": origins}, indent=2))
        return
    print(f"new {kind} in {path}")
    _print_origins(chosen.open_places())
    if not is_used:
        first = "LATCHSTRING_PLACES is off" if used is None else f"{used['source']} goes before them"
        print(f"they are not used: {first}")


def _chosen() -> Settings:
    try:
        return settings.read()
    except SettingsError as error:
        give_up(error)


def _origins(places: Places) -> list[dict[str, object]]:
    return [origin._asdict() for origin in places.origins()]


def _print_origins(places: Places) -> None:
    now_ms = SystemClock().wall_ms()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("data", "source", "made"):
        table.add_column(heading, overflow="fold")
    for data, source, made_at_ms in places.origins():
        table.add_row(data, source, "not known" if made_at_ms is None else relative(made_at_ms, now_ms))
    Console().print(table)


def _print_places(found: dict[str, Place]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("address", "country", "network", "provider"):
        table.add_column(heading, overflow="fold")
    for address, place in found.items():
        network = "" if place.asn is None else f"AS{place.asn}"
        table.add_row(address, place.country or "", network, place.provider or "")
    Console().print(table)


@contextmanager
def _bar() -> Iterator[place_source.Progress]:
    """Bytes, rate and time left on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as shown:
        task = shown.add_task("reading", total=None)

        def progress(got: int, total: int | None) -> None:
            done = got == total
            shown.update(task, completed=got, total=total, description="unpacking, trying" if done else "fetching")

        yield progress
