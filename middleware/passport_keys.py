"""The public keys that verify passports: a JWK set (RFC 7517), fetched in the background, never by a request."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

Fetch: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]

#: Keys are asked for at most this often, however many passports name an unknown one. The edge lets a new key sign only
#: after it was published for longer (LATCHSTRING_KEY_LEAD_SECONDS).
REFRESH_SECONDS: Final = 30.0
#: And at least this often while passports come, so that a key taken out of the set is dropped.
STALE_SECONDS: Final = 600.0
MAX_JWKS_BYTES: Final = 65_536

_log = logging.getLogger("latchstring.passport")


def public_keys(jwks: Mapping[str, Any]) -> dict[str, OKPKey]:
    """The Ed25519 signature keys of a JWK set by key id; others are passed over, private parts dropped.

    Of two keys under one id neither is taken: which one was meant cannot be known. Raises ValueError if none is left:
    an empty set is never what an edge means to say.
    """
    entries = jwks.get("keys")
    keys: dict[str, OKPKey] = {}
    twice: set[str] = set()
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("kty") != "OKP" or entry.get("crv") != "Ed25519":
            continue
        key_id, x = entry.get("kid"), entry.get("x")
        if not isinstance(key_id, str) or not isinstance(x, str) or entry.get("use", "sig") != "sig":
            continue
        if key_id in keys:
            twice.add(key_id)
        try:
            keys[key_id] = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
        except (JoseError, ValueError):
            continue
    keys = {key_id: key for key_id, key in keys.items() if key_id not in twice}
    if not keys:
        raise ValueError("expected a JWK set with at least one Ed25519 key that has a kid")
    return keys


def fetch_by_http(url: str, *, timeout_seconds: float = 5.0) -> Fetch:
    """A fetch of the JWK set at `url` by httpx; redirects are not followed, 64 KiB are read at most, and
    proxies that the environment names are not used.
    """
    import httpx  # a website that hands in its own fetch does not need it

    async def fetch() -> Mapping[str, Any]:
        body = b""
        async with (
            httpx.AsyncClient(timeout=timeout_seconds, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", url, headers={"accept": "application/json"}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"expected 200; got {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_JWKS_BYTES:
                    raise ValueError(f"expected at most {MAX_JWKS_BYTES} bytes")
        found = json.loads(body)
        if not isinstance(found, dict):
            raise ValueError("expected a JSON object")
        return found

    return fetch


class PassportKeys:
    """The keys at hand, and one refresh at a time; for one event loop. `known` is False while nothing can be said.

    That is so before the first fetch, and after a failed one about keys not at hand. Those at hand stay good.
    `generation` counts the sets, for caches over them. For a key not at hand they are fetched at most every
    `refresh_seconds`.
    """

    def __init__(
        self, jwks: Mapping[str, Any] | None, fetch: Fetch | None, *, refresh_seconds: float = REFRESH_SECONDS
    ) -> None:
        self._refresh_seconds = refresh_seconds
        self._keys = {} if jwks is None else public_keys(jwks)
        self._fetch = fetch
        self._task: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")
        self.known = jwks is not None
        self.generation = 0

    def get(self, key_id: object) -> OKPKey | None:
        """The key, if at hand; if not, a refresh begins unless the last one is too recent."""
        key = self._keys.get(key_id) if isinstance(key_id, str) else None
        if key is None:
            self._refresh_after(self._refresh_seconds)
        return key

    def refresh_if_stale(self) -> None:
        """Begin a refresh if the last one is 10 minutes ago; never waits."""
        self._refresh_after(STALE_SECONDS)

    async def refreshed(self, timeout_seconds: float) -> None:
        """Return when a refresh under way is over, or after the time; at once if there is none."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=timeout_seconds)

    async def refresh(self) -> None:
        """Fetch now, for instance at start-up; a failure is logged and leaves the keys at hand in place."""
        self._refresh_after(0.0)
        if self._task is not None:
            await asyncio.wait([self._task])

    def _refresh_after(self, seconds: float) -> None:
        if self._fetch is None or self._task is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            # Called outside an event loop: there, `refresh` is the caller's to run.
            return
        if loop.time() - self._asked_at >= seconds:
            self._asked_at = loop.time()
            self._task = loop.create_task(self._load(self._fetch))

    async def _load(self, fetch: Fetch) -> None:
        try:
            keys = public_keys(await fetch())
        except Exception as error:
            _log.warning("could not fetch the keys of passports: %s: %s", type(error).__name__, error)
            self.known = False
        else:
            self._keys = keys
            self.known = True
            self.generation += 1
        finally:
            self._task = None
