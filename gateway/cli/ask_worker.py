"""Asking a running worker of this machine over its own door, by a call that only who holds the key ring can make."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any, Final

import httpx
import typer

from .. import settings
from ..clock import SystemClock
from ..service_keys import operator_authorization
from ..settings import Settings, SettingsError
from ..tokens.codec import Codec
from ..tokens.keyring import KeyFileError, KeyRing
from .words import give_up

#: Some acts look through every key of the store.
_PATIENCE_SECONDS: Final = 600.0


async def ask_worker(
    chosen: Settings,
    method: str,
    path: str,
    *,
    body: Any = None,
    headers: dict[str, str] | None = None,
    patience_seconds: float,
) -> httpx.Response:
    """Its answer, whatever it is. Raises KeyFileError, and httpx.HTTPError if nobody answers."""
    clock = SystemClock()
    codec = Codec(KeyRing.load(chosen.keys_path, clock))
    authorization = operator_authorization(codec, f"{method} {path}", now_ms=clock.wall_ms())
    is_unix = chosen.listen.startswith("unix:")
    transport = httpx.AsyncHTTPTransport(uds=chosen.listen.removeprefix("unix:")) if is_unix else None
    base_url = "http://latchstring" if is_unix else f"http://{chosen.listen}"
    timeout = httpx.Timeout(patience_seconds, connect=2.0)
    async with httpx.AsyncClient(base_url=base_url, transport=transport, timeout=timeout, trust_env=False) as client:
        sent = {**(headers or {}), "authorization": authorization}
        return await client.request(method, path, headers=sent, json=body)


def told_by_worker(path: str, body: Any, *, codes: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON that a worker answers to a POST, or a problem of one of these codes.

    Leaves with status 1, and says why, if nobody answers, or something else is wrong.
    """
    try:
        chosen = settings.read()
        answer = asyncio.run(ask_worker(chosen, "POST", path, body=body, patience_seconds=_PATIENCE_SECONDS))
        told: dict[str, Any] = answer.json()
    except (SettingsError, KeyFileError) as error:
        give_up(error)
    except (httpx.HTTPError, ValueError):
        print(f"nobody answers at {chosen.listen}: is `latchstring serve` running there?", file=sys.stderr)
        raise typer.Exit(1) from None
    if answer.is_error and told.get("code") not in codes:
        print(f"{told.get('code')}: {told.get('detail')}", file=sys.stderr)
        raise typer.Exit(1)
    return told
