"""Delivering events: one courier a hook follows the outboxes and posts each event in the Standard Webhooks form.

    POST <url>
    webhook-id: evt_…            the same at every attempt: receivers drop what they have seen
    webhook-timestamp: 1800000000
    webhook-signature: v1,…      HMAC-SHA256 over "id.timestamp.body"
    {"type":"device.removed","timestamp":"2026-11-23T10:00:00.123Z","data":{"account":"…","device":"…"}}

One deliverer of the deployment is at work at a time; the others wait for its lock to lapse.
"""

import asyncio
import contextlib
import functools
import secrets
from typing import Final

import httpx

from .. import logs
from ..background import Work
from ..clock import Clock
from ..errors import StoreAway
from ..store import keys
from ..store.client import Store
from .address import GuardedTransport
from .attempt import ATTEMPT_SECONDS, Poster
from .courier import Courier
from .health import FIRST_RETRY_SECONDS
from .outbox import Outbox
from .registry import Hooks
from .standing import NOT_SERVED

POLL_SECONDS: Final = 0.25
_LOCK_MS: Final = 5_000
#: How long a courier that failed may take to be well again.
_WITHIN_SECONDS: Final = 60.0
_log: Final = logs.get("hooks")
_REMEDY: Final = "a bug of ours, or a row of this hook that nobody wrote: report it; the other hooks are served"


class Deliverer:
    """Call `step` every POLL_SECONDS, and `stop` it; every figure it needs to go on is in the store."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        first_retry_seconds: float = FIRST_RETRY_SECONDS,
        work: Work | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._hooks = Hooks(store, clock)
        self._outbox = Outbox(store)
        self._first_retry_seconds = first_retry_seconds
        self._lock_value = secrets.token_hex(16)
        self._couriers: dict[str, Courier] = {}
        #: The hooks that are being served at this moment.
        self._under_way: dict[str, asyncio.Task[int]] = {}
        self._turns = (work or Work(clock)).task("hook_couriers", within_seconds=_WITHIN_SECONDS, remedy=_REMEDY)
        self._turns.idle()
        #: The hooks whose courier failed otherwise than by its receiver, and until when (boot time) each rests.
        self._resting: dict[str, int] = {}

    @staticmethod
    def client() -> httpx.AsyncClient:
        """The client that posts: no redirects, no proxies, and only where a hook may lead."""
        return httpx.AsyncClient(
            transport=GuardedTransport(), timeout=ATTEMPT_SECONDS, follow_redirects=False, trust_env=False
        )

    async def step(self, client: httpx.AsyncClient) -> None:
        """Begin to serve every hook that is not being served, if this deliverer is the one at work. Raises StoreAway.

        Each hook is served apart, so a receiver that hangs keeps neither the others nor the lock waiting.
        """
        if not await self._holds_lock():
            await self.stop()
            return
        couriers = await self._staff(client)
        ends = await self._outbox.ends() if couriers else []
        for courier in couriers:
            hook_id = courier.hook.id
            if hook_id not in self._under_way and self._resting.get(hook_id, 0) <= self._clock.boot_ns():
                # Kept until it is done, and `_served` takes what it raises.
                task = self._under_way[hook_id] = asyncio.create_task(courier.serve(ends))
                task.add_done_callback(functools.partial(self._served, hook_id))

    async def stop(self) -> None:
        """End what is under way; another deliverer, or the next step, reads anew how far this one came."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for hook_id in list(self._couriers):
            del self._couriers[hook_id]
            NOT_SERVED.show(hook_id)

    async def deliver_once(self, client: httpx.AsyncClient) -> int:
        """Offer every hook what may be sent now; how many events were taken. Raises StoreAway."""
        ends = await self._outbox.ends()
        return sum(await asyncio.gather(*(courier.serve(ends) for courier in await self._staff(client))))

    async def close(self) -> None:
        """Let another deliverer begin at once."""
        with contextlib.suppress(StoreAway):
            if await self._store.guard(self._store.redis.get(keys.DELIVERER_LOCK)) == self._lock_value:
                await self._store.guard(self._store.redis.delete(keys.DELIVERER_LOCK))

    async def _staff(self, client: httpx.AsyncClient) -> list[Courier]:
        """A courier for each hook."""
        hooks, pauses = await self._hooks.list(), await self._hooks.pauses()
        for hook in hooks:
            if hook.id not in self._couriers:
                self._couriers[hook.id] = Courier(
                    self._store,
                    self._clock,
                    Poster(client, self._clock),
                    hook,
                    first_retry_seconds=self._first_retry_seconds,
                )
            self._couriers[hook.id].obey(pauses.get(hook.id))
        for hook_id in self._couriers.keys() - {hook.id for hook in hooks}:
            if hook_id in self._under_way:
                self._under_way[hook_id].cancel()
                await asyncio.gather(self._under_way[hook_id], return_exceptions=True)
            self._couriers.pop(hook_id, None)
            self._resting.pop(hook_id, None)
            NOT_SERVED.show(hook_id)
            # What it wrote down while it was removed.
            await self._hooks.forget(hook_id)
        return list(self._couriers.values())

    def _served(self, hook_id: str, task: "asyncio.Task[int]") -> None:
        del self._under_way[hook_id]
        fault = None if task.cancelled() else task.exception()
        if fault is None:
            self._resting.pop(hook_id, None)
            if not self._resting and self._turns.failures:
                self._turns.done()
                self._turns.idle()
            return
        # What it has in memory may be half done; the store knows.
        self._couriers.pop(hook_id, None)
        rest_seconds = self._turns.failed(fault)
        if not isinstance(fault, StoreAway):
            if hook_id not in self._resting:
                _log.error("hook_failed", hook=hook_id, fault=type(fault).__name__)
            self._resting[hook_id] = self._clock.boot_ns() + round(rest_seconds * 1e9)

    async def _holds_lock(self) -> bool:
        redis = self._store.redis
        if await self._store.guard(redis.set(keys.DELIVERER_LOCK, self._lock_value, nx=True, px=_LOCK_MS)):
            return True
        if await self._store.guard(redis.get(keys.DELIVERER_LOCK)) != self._lock_value:
            return False
        # Two may deliver for an instant if this one stalls here; receivers drop a repeated webhook-id.
        await self._store.guard(redis.pexpire(keys.DELIVERER_LOCK, _LOCK_MS))
        return True
