"""Asking a running worker of this machine over its own door, by a call that only who holds the key ring can make."""

from typing import Any

import httpx

from ..clock import SystemClock
from ..service_keys import operator_authorization
from ..settings import Settings
from ..tokens.codec import Codec
from ..tokens.keyring import KeyRing


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
