"""The URLs that want to be told: each with its own signing secret, kept in the store."""

import base64
import json
import secrets
from dataclasses import dataclass
from ipaddress import ip_address

import httpx

from ..clock import Clock
from ..errors import BadRequest, NotFound
from ..ids import new_id
from ..store import keys
from ..store.client import Store


@dataclass(frozen=True, slots=True)
class Hook:
    """A registered URL. `secret` signs what is sent there; it leaves us only when the hook is added."""

    id: str
    url: str
    secret: str
    created_at_ms: int


class Hooks:
    """The hooks of a deployment."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def add(self, url: str) -> Hook:
        """Register a URL; it hears of what happens from now on.

        Raises BadRequest (not https, except on the loopback; credentials in the URL), StoreAway.
        """
        _check(url)
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        hook = Hook(f"hook_{new_id()}", url, secret, self._clock.wall_ms())
        row = {"url": hook.url, "secret": hook.secret, "created_at_ms": hook.created_at_ms}
        await self._store.guard(self._store.redis.hset(keys.HOOKS, hook.id, json.dumps(row)))
        return hook

    async def list(self) -> list[Hook]:
        """Every hook, oldest first. Raises StoreAway."""
        rows = await self._store.guard(self._store.redis.hgetall(keys.HOOKS))
        parsed = ((str(hook_id), json.loads(row)) for hook_id, row in rows.items())
        hooks = [Hook(hook_id, row["url"], row["secret"], row["created_at_ms"]) for hook_id, row in parsed]
        return sorted(hooks, key=lambda hook: (hook.created_at_ms, hook.id))

    async def remove(self, hook_id: str) -> None:
        """Tell this URL nothing more. Raises NotFound, StoreAway."""
        if not await self._store.guard(self._store.redis.hdel(keys.HOOKS, hook_id)):
            raise NotFound("unknown_hook", "no hook has this id")
        pipe = self._store.redis.pipeline(transaction=False)
        for partition in range(keys.PARTITIONS):
            pipe.hdel(keys.cursors(partition), hook_id)
        await self._store.guard(pipe.execute())


def _check(url: str) -> None:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise BadRequest("bad_hook_url", "expected an absolute https:// URL") from error
    if parsed.userinfo:
        raise BadRequest("bad_hook_url", "expected a URL without user name and password: they would be logged")
    if not parsed.host or parsed.scheme not in ("https", "http"):
        raise BadRequest("bad_hook_url", "expected an absolute https:// URL")
    if parsed.scheme == "http" and not _is_loopback(parsed.host):
        raise BadRequest("bad_hook_url", "expected https:// (plain http only on the loopback)")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
