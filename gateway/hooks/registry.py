"""The URLs that are told of events: each with its own signing secret, kept in the store."""

import base64
import json
import secrets
from dataclasses import dataclass
from typing import Final

from .. import logs
from ..clock import Clock
from ..errors import Conflict, NotFound
from ..ids import new_id
from ..store import keys
from ..store.client import Store
from .address import check, check_resolved

#: Each hook costs the deliverer up to a megabyte and the store a little at each event.
MAX_HOOKS: Final = 100

_log: Final = logs.get("hooks")


@dataclass(frozen=True, slots=True)
class Hook:
    """A registered URL. `secret` signs what is sent there; it leaves us only when the hook is added.

    `private`: it may lead to an address that is not public.
    """

    id: str
    url: str
    secret: str
    created_at_ms: int
    private: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Why nothing is sent to a hook, and since when."""

    reason: str
    since_ms: int


class Hooks:
    """The hooks of a deployment. Every method raises StoreAway."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._unreadable: set[str] = set()

    async def add(self, url: str, *, private: bool = False) -> Hook:
        """Register a URL; it hears of what happens from now on.

        Raises BadRequest (see `address.check`; or its host is private, and `private` is not said), Conflict (there
        are MAX_HOOKS).
        """
        check(url)
        await check_resolved(url, private=private)
        if await self._store.guard(self._store.redis.hlen(keys.HOOKS)) >= MAX_HOOKS:
            raise Conflict("too_many_hooks", f"there are {MAX_HOOKS} hooks; remove one first")
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        hook = Hook(f"hook_{new_id()}", url, secret, self._clock.wall_ms(), private)
        row = {"url": hook.url, "secret": hook.secret, "created_at_ms": hook.created_at_ms, "private": private}
        await self._store.guard(self._store.redis.hset(keys.HOOKS, hook.id, json.dumps(row)))
        return hook

    async def list(self) -> list[Hook]:
        """Every hook whose row can be read, oldest first; one that cannot is named in the log, once."""
        rows = await self._store.guard(self._store.redis.hgetall(keys.HOOKS))
        found = [hook for hook_id, row in rows.items() if (hook := self._read(str(hook_id), str(row))) is not None]
        return sorted(found, key=lambda hook: (hook.created_at_ms, hook.id))

    async def remove(self, hook_id: str) -> None:
        """Tell this URL nothing more, and forget what it has not had. Raises NotFound."""
        if not await self._store.guard(self._store.redis.hdel(keys.HOOKS, hook_id)):
            raise NotFound("unknown_hook", "no hook has this id")
        await self.forget(hook_id)

    async def forget(self, hook_id: str) -> None:
        """Delete whatever is kept for a hook that is removed. Idempotent."""
        pipe = self._store.redis.pipeline(transaction=False)
        pipe.hdel(keys.HOOK_PAUSES, hook_id)
        pipe.hdel(keys.HOOK_STATES, hook_id)
        pipe.delete(keys.dead_events(hook_id))
        pipe.delete(keys.replays(hook_id))
        for partition in range(keys.PARTITIONS):
            pipe.hdel(keys.cursors(partition), hook_id)
            pipe.delete(keys.held_events(partition, hook_id))
        await self._store.guard(pipe.execute())

    async def pauses(self) -> dict[str, Pause]:
        """The hooks to which nothing is sent until somebody resumes them."""
        rows = await self._store.guard(self._store.redis.hgetall(keys.HOOK_PAUSES))
        return {str(hook): _pause(str(row)) for hook, row in rows.items()}

    async def pause(self, hook_id: str, reason: str) -> None:
        """Send nothing until `resume`; what happens meanwhile waits, and is dead after its time. Raises NotFound."""
        await self._must_exist(hook_id)
        row = json.dumps({"reason": reason, "since_ms": self._clock.wall_ms()})
        await self._store.guard(self._store.redis.hset(keys.HOOK_PAUSES, hook_id, row))

    async def resume(self, hook_id: str) -> None:
        """Send again. Idempotent. Raises NotFound."""
        await self._must_exist(hook_id)
        await self._store.guard(self._store.redis.hdel(keys.HOOK_PAUSES, hook_id))

    async def _must_exist(self, hook_id: str) -> None:
        if not await self._store.guard(self._store.redis.hexists(keys.HOOKS, hook_id)):
            raise NotFound("unknown_hook", "no hook has this id")

    def _read(self, hook_id: str, row: str) -> Hook | None:
        try:
            fields = json.loads(row)
            # One that was added before names were looked up goes on as it did.
            hook = Hook(
                hook_id,
                str(fields["url"]),
                str(fields["secret"]),
                int(fields["created_at_ms"]),
                bool(fields.get("private", True)),
            )
            base64.b64decode(hook.secret.removeprefix("whsec_"), validate=True)
        except (ValueError, KeyError, TypeError):
            if hook_id not in self._unreadable:
                self._unreadable.add(hook_id)
                _log.error("hook_unreadable", hook=hook_id, remedy="latchstring hooks remove, and add it again")
            return None
        return hook


def _pause(row: str) -> Pause:
    try:
        return Pause(**json.loads(row))
    except (ValueError, TypeError):
        return Pause("its row cannot be read", 0)
