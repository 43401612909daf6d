"""`latchstring links make`: links and open pixels for mails, made by a running worker."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from .. import settings
from ..mail.endpoints import MAX_ADDRESSES
from ..mail.links import MAX_DAYS
from ..settings import Settings, SettingsError
from ..tokens.keyring import KeyFileError
from .ask_worker import ask_worker

_PATIENCE_SECONDS: Final = 30.0
#: Recipients of one request, and their bytes: a worker reads bodies of 64 KiB.
_AT_ONCE: Final = 1_000
_AT_ONCE_BYTES: Final = 32_000

links_app = typer.Typer(no_args_is_help=True, help="Signed links and open pixels for mails.")


class _NotMade(Exception):
    """No links: the message says why."""


def register(app: typer.Typer) -> None:
    """Add `links` to the command."""
    app.add_typer(links_app, name="links")


@links_app.callback()
def _links() -> None:
    """Signed links and open pixels for mails."""


@links_app.command("make")
def make(
    targets: Annotated[list[str], typer.Argument(metavar="URL...", help="Where the links lead.")],
    campaign: Annotated[str, typer.Option(help="The campaign they are counted for.")],
    message: Annotated[str, typer.Option(help="The mailing they stand in.")] = "",
    recipients: Annotated[
        Path | None, typer.Option(help="A file with a recipient a line: links for each; only a keyed hash is in them.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="How long they work.")] = 90,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a mail instead of lines.")] = False,
) -> None:
    """Make links and an open pixel: of one mail that names nobody, or of a mail to each recipient of a file.

        latchstring links make https://www.example.com/sale --campaign autumn --message news-41
        latchstring links make https://www.example.com/sale --campaign autumn --recipients list.txt --json

    Targets lie on LATCHSTRING_PUBLIC_ORIGIN or one of LATCHSTRING_LINK_ORIGINS.
    """
    wanted = {"campaign": campaign, "message": message, "targets": targets, "days": days}
    try:
        chosen = settings.read()
        names = recipients.read_text(encoding="utf-8").splitlines() if recipients is not None else []
        most = min(_AT_ONCE, max(1, MAX_ADDRESSES // (len(targets) + 1)))
        for part in _parts([name.strip() for name in names if name.strip()], most):
            for mail in asyncio.run(_made(chosen, {**wanted, "recipients": part})):
                _print(mail, as_json=as_json)
    except (SettingsError, KeyFileError, OSError, UnicodeDecodeError, _NotMade) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


def _parts(names: list[str], most: int) -> list[list[str]]:
    """The recipients in parts that fit a request; one empty part if there are none."""
    parts: list[list[str]] = [[]]
    size = 0
    for name in names:
        length = len(json.dumps(name)) + 2
        if parts[-1] and (len(parts[-1]) >= most or size + length > _AT_ONCE_BYTES):
            parts.append([])
            size = 0
        parts[-1].append(name)
        size += length
    return parts


async def _made(chosen: Settings, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        answer = await ask_worker(chosen, "POST", "/v1/links", body=wanted, patience_seconds=_PATIENCE_SECONDS)
        told: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError):
        raise _NotMade(f"nobody answers at {chosen.listen}: is `latchstring serve` running there?") from None
    if answer.status_code != httpx.codes.CREATED:
        raise _NotMade(f"{told.get('code', answer.status_code)}: {told.get('detail', 'no reason was given')}")
    mails: list[dict[str, Any]] = told["mails"]
    return mails


def _print(mail: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(mail))
        return
    named = [] if mail["recipient"] is None else [f"# {mail['recipient']}"]
    print("\n".join([*named, *mail["links"], mail["pixel"]]))
