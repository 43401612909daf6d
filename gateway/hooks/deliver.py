"""Delivering events: follows every partition's outbox and posts each event to each hook in the Standard Webhooks form.

    POST <url>
    webhook-id: evt_…            the same at every attempt: receivers drop what they have seen
    webhook-timestamp: 1800000000
    webhook-signature: v1,…      HMAC-SHA256 over "id.timestamp.body"
    {"type":"device.removed","timestamp":"2026-11-23T10:00:00.123Z","data":{"account":"…","device":"…"}}

At least once and in order within an account: a hook's cursor in a partition moves on only after a 2xx, or when an event
has been refused for `GIVE_UP_SECONDS` and is put with the dead ones. One deliverer of the deployment is at work at a
time; the others wait for its lock to lapse.
"""

import asyncio
import contextlib
import functools
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from standardwebhooks import Webhook

from .. import logs
from ..clock import Clock
from ..errors import StoreAway
from ..store import keys
from ..store.client import Store
from .registry import Hook, Hooks

#: How long one event is tried before it is put with the dead ones, so that one bad event does not silence a hook.
GIVE_UP_SECONDS: Final = 3 * 86_400
FIRST_RETRY_SECONDS: Final = 1.0
#: How long a receiver may take for one event, from the connection to the status.
ATTEMPT_SECONDS: Final = 10.0
LONGEST_RETRY_SECONDS: Final = 300.0
#: Looking through 256 outboxes costs the store about half a millisecond of CPU.
POLL_SECONDS: Final = 0.25
_BATCH: Final = 50
_LOCK_MS: Final = 5_000

_log = logs.get("hooks")


@dataclass(frozen=True, slots=True)
class Event:
    """One outbox entry; `position` is its id in the partition's stream."""

    partition: int
    position: str
    id: str
    type: str
    account: str
    at_ms: int
    data: dict[str, Any]

    def body(self) -> str:
        """The JSON that is signed and sent."""
        moment = datetime.fromtimestamp(self.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        data = {"account": self.account, **self.data}
        return json.dumps({"type": self.type, "timestamp": moment.replace("+00:00", "Z"), "data": data})


class Deliverer:
    """Delivers until it is cancelled; every figure it needs to go on is in the store."""

    def __init__(self, store: Store, clock: Clock, *, first_retry_seconds: float = FIRST_RETRY_SECONDS) -> None:
        self._store = store
        self._clock = clock
        self._hooks = Hooks(store, clock)
        self._first_retry_seconds = first_retry_seconds
        self._lock_value = secrets.token_hex(16)
        #: Per hook: how often it failed in a row, and until when (boot time) it is left alone.
        self._failures: dict[str, int] = {}
        self._not_before_ns: dict[str, int] = {}
        #: The hooks that are being served at this moment.
        self._under_way: dict[str, asyncio.Task[int]] = {}

    async def run(self) -> None:
        """Deliver for ever; survives every fault of the store and of the receivers.

        Each hook is served apart, so a receiver that hangs keeps neither the others nor the lock waiting.
        """
        async with httpx.AsyncClient(timeout=ATTEMPT_SECONDS, follow_redirects=False) as client:
            try:
                while True:
                    try:
                        await self._serve_all(client)
                    except StoreAway:
                        _log.debug("store_away")
                    await asyncio.sleep(POLL_SECONDS)
            finally:
                await self._stop()

    async def _serve_all(self, client: httpx.AsyncClient) -> None:
        if not await self._holds_lock():
            await self._stop()
            return
        for hook in await self._due():
            if hook.id not in self._under_way:
                task = self._under_way[hook.id] = asyncio.create_task(self._deliver(client, hook))
                task.add_done_callback(functools.partial(self._served, hook.id))

    def _served(self, hook_id: str, task: "asyncio.Task[int]") -> None:
        del self._under_way[hook_id]
        fault = None if task.cancelled() else task.exception()
        if fault is not None and not isinstance(fault, StoreAway):
            _log.error("hook_failed", hook=hook_id, exc_info=fault)

    async def _stop(self) -> None:
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _due(self) -> list[Hook]:
        now_ns = self._clock.boot_ns()
        return [hook for hook in await self._hooks.list() if self._not_before_ns.get(hook.id, 0) <= now_ns]

    async def deliver_once(self, client: httpx.AsyncClient) -> int:
        """Offer every hook what it has not had yet; how many events were delivered. Raises StoreAway."""
        return sum(await asyncio.gather(*(self._deliver(client, hook) for hook in await self._due())))

    async def close(self) -> None:
        """Let another deliverer begin at once."""
        with contextlib.suppress(StoreAway):
            if await self._store.guard(self._store.redis.get(keys.DELIVERER_LOCK)) == self._lock_value:
                await self._store.guard(self._store.redis.delete(keys.DELIVERER_LOCK))

    async def _holds_lock(self) -> bool:
        redis = self._store.redis
        if await self._store.guard(redis.set(keys.DELIVERER_LOCK, self._lock_value, nx=True, px=_LOCK_MS)):
            return True
        if await self._store.guard(redis.get(keys.DELIVERER_LOCK)) != self._lock_value:
            return False
        # Two may deliver for an instant if this one stalls here; receivers drop a repeated webhook-id.
        await self._store.guard(redis.pexpire(keys.DELIVERER_LOCK, _LOCK_MS))
        return True

    async def _deliver(self, client: httpx.AsyncClient, hook: Hook) -> int:
        delivered = 0
        for event in await self._pending(hook):
            if await self._post(client, hook, event):
                self._failures.pop(hook.id, None)
                await self._move_on(hook, event)
                delivered += 1
                continue
            if self._clock.wall_ms() - event.at_ms > GIVE_UP_SECONDS * 1000:
                await self._bury(hook, event)
                continue
            failures = self._failures[hook.id] = self._failures.get(hook.id, 0) + 1
            wait = min(self._first_retry_seconds * 2 ** (failures - 1), LONGEST_RETRY_SECONDS)
            jitter = 0.5 + secrets.randbelow(1_000) / 1_000
            self._not_before_ns[hook.id] = self._clock.boot_ns() + round(wait * jitter * 1e9)
            break
        return delivered

    async def _pending(self, hook: Hook) -> list[Event]:
        pipe = self._store.redis.pipeline(transaction=False)
        for partition in range(keys.PARTITIONS):
            pipe.hget(keys.cursors(partition), hook.id)
        cursors = await self._store.guard(pipe.execute())
        pipe = self._store.redis.pipeline(transaction=False)
        for partition, cursor in enumerate(cursors):
            pipe.xrange(keys.outbox(partition), min=f"({cursor}" if cursor else f"{hook.created_at_ms}-0", count=_BATCH)
        found = await self._store.guard(pipe.execute())
        events = [
            Event(
                partition,
                position,
                fields["id"],
                fields["type"],
                fields["account"],
                int(fields["at_ms"]),
                json.loads(fields["data"]),
            )
            for partition, entries in enumerate(found)
            for position, fields in entries
        ]
        return sorted(events, key=lambda event: (event.at_ms, event.partition, event.position))

    async def _post(self, client: httpx.AsyncClient, hook: Hook, event: Event) -> bool:
        body = event.body()
        now = datetime.fromtimestamp(self._clock.wall_ms() / 1000, UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(hook.secret).sign(event.id, now, body),
        }
        try:
            # What it answers is not read: only the status counts, and a body could be endless.
            async with (
                asyncio.timeout(ATTEMPT_SECONDS),
                client.stream("POST", hook.url, content=body, headers=headers) as answer,
            ):
                pass
        except (httpx.HTTPError, TimeoutError) as fault:
            _log.info("hook_unreachable", hook=hook.id, event_id=event.id, fault=type(fault).__name__)
            return False
        if answer.is_success:
            return True
        _log.info("hook_refused", hook=hook.id, event_id=event.id, status=answer.status_code)
        return False

    async def _move_on(self, hook: Hook, event: Event) -> None:
        await self._store.guard(self._store.redis.hset(keys.cursors(event.partition), hook.id, event.position))

    async def _bury(self, hook: Hook, event: Event) -> None:
        row = {"hook": hook.id, "event": event.id, "body": event.body()}
        await self._store.guard(self._store.redis.xadd(keys.DEAD_HOOKS, row, maxlen=10_000, approximate=True))  # type: ignore[arg-type]  # redis-py's invariant dict
        _log.warning("hook_gave_up", hook=hook.id, event_id=event.id)
        await self._move_on(hook, event)
