"""Feeds on a real store, without the worker around them, and the means to append entries behind their backs."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import redis.asyncio

from latchstring_gateway.clock import Clock
from latchstring_gateway.revocation.feed import Feed
from latchstring_gateway.revocation.receipt import WorkerRow
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

T = TypeVar("T")


class SlowStore(Store):
    """A store whose answers can be held back after they came: `hold` returns a gate for every call sent meanwhile."""

    gate: Callable[[], Awaitable[object]] | None = None

    async def guard(self, call: Awaitable[T]) -> T:
        """See `Store.guard`."""
        gate = self.gate
        answer = await super().guard(call)
        if gate is not None:
            await gate()
        return answer


class MakeFeed(Protocol):
    """Makes feeds that are closed after the test."""

    async def __call__(
        self, url: str, worker: str = "w.1.x", *, clock: Clock | None = None, timeout_seconds: float = 1.0
    ) -> "Following":
        """Start one; it may not follow yet."""
        ...


class Following:
    """A feed that has been started, its store, and what it heard of others."""

    def __init__(
        self,
        url: str,
        worker: str,
        clock: Clock,
        timeout_seconds: float,
        heard: Callable[[str, list[str]], None] | None = None,
        row: WorkerRow = WorkerRow(1000, "closed", 60_000, 0),  # noqa: B008 - frozen
        store: SlowStore | None = None,
    ) -> None:
        self.store = store or SlowStore(url, timeout_seconds=timeout_seconds)
        self.heard: list[tuple[str, str]] = []
        self.key_ids = ["k1"]
        self.feed = Feed(
            self.store,
            clock,
            worker=worker,
            row=lambda: replace(row, keys=tuple(self.key_ids)),
            lease_seconds=300,
            heartbeat_seconds=0.1,
            heard=heard or (lambda worker, ids: self.heard.extend((worker, one) for one in ids)),
        )

    def knows(self, device: str) -> bool:
        """Whether it knows this device to be revoked."""
        return self.feed.replica.is_revoked("", device, "", 0)


async def append(
    url: str, device: str, *, partition: int = 7, reply_to: str = "-", first: tuple[Any, ...] = ()
) -> None:
    """Append an entry and ring, as the scripts do; `first` is a command run before, in the same transaction."""
    async with redis.asyncio.Redis.from_url(url, decode_responses=True) as client:
        number = int(await client.get(keys.number(partition)) or 0) + 1
        seconds, _ = await client.time()
        entry = f"{number} device {device} 0 {seconds * 1000} 07.{device} {reply_to}"
        pipe = client.pipeline(transaction=True)
        if first:
            pipe.execute_command(*first)
        pipe.incr(keys.number(partition))
        pipe.xadd(keys.revocations(partition), {"e": entry})
        pipe.execute_command("SPUBLISH", keys.revocations(partition), entry)
        await pipe.execute()
