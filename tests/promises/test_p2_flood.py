"""P2 on real processes: removals under a flood of checks while workers, subscriptions and the store are struck."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import httpx
import pytest
import redis.asyncio

from harness.cluster_of_workers import Cluster, Flood, SignedIn, WorkerProcess, cluster_of_workers
from harness.evidence import Evidence, pick
from harness.waiting import wait_until_async

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=1_200))]

_REMOVALS = pick(short=6, long=100)
_WORKERS = 3
#: How long the flood goes on after a receipt, longer than any fence.
_AFTERWARDS_SECONDS = 0.3
_QUEUED_CHECKS = 6


async def _nothing(_cluster: Cluster) -> None:
    """No blow."""


async def _cut_subscriptions(cluster: Cluster) -> None:
    async with redis.asyncio.Redis.from_url(cluster.valkey.url) as client:
        await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


async def _cut_everything(cluster: Cluster) -> None:
    async with redis.asyncio.Redis.from_url(cluster.valkey.url) as client:
        await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def _pause_the_store(cluster: Cluster) -> None:
    async with redis.asyncio.Redis.from_url(cluster.valkey.url) as client:
        await client.execute_command("CLIENT", "PAUSE", "300", "ALL")


async def _freeze_the_store(cluster: Cluster) -> None:
    cluster.valkey.freeze()
    await asyncio.sleep(0.3)
    cluster.valkey.thaw()


async def _kill_the_store(cluster: Cluster) -> None:
    await asyncio.to_thread(cluster.valkey.kill9)
    await asyncio.to_thread(cluster.valkey.restart)


_BLOWS: tuple[tuple[int, Callable[[Cluster], Coroutine[Any, Any, None]]], ...] = (
    (3, _nothing),
    (2, _cut_subscriptions),
    (1, _cut_everything),
    (1, _pause_the_store),
    (1, _freeze_the_store),
    (1, _kill_the_store),
)


async def _all_accept(flood: Flood, workers: int) -> None:
    since = time.monotonic()
    await wait_until_async(
        lambda: len({worker for _, worker in flood.accepted_after(since)}) == workers, "every worker to accept", 20
    )


async def _removed(cluster: Cluster, who: SignedIn, by: WorkerProcess) -> dict[str, object] | None:
    """The receipt, or None if nobody answered for it."""
    try:
        url = f"/v1/accounts/{who.account}/devices/{who.device}"
        answer = await cluster.call(by, "DELETE", url)
    except httpx.TransportError:
        return None
    receipt: dict[str, object] = answer.json()
    return receipt if answer.status_code in (200, 202) else None


class Kept:
    """A connection that a worker has taken already: it reads it in the same turn as its bells, and answers first."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: SignedIn) -> None:
        self._reader = reader
        self._writer = writer
        self._request = f"GET /verify HTTP/1.1\r\nhost: x\r\ncookie: {who.cookie}\r\n\r\n".encode()

    @classmethod
    async def open(cls, worker: WorkerProcess, who: SignedIn) -> "Kept":
        """A connection on which one check has been answered."""
        kept = cls(*await asyncio.open_connection("127.0.0.1", worker.port), who)
        kept.send()
        await kept.is_accepted()
        return kept

    def send(self) -> None:
        """Begin a check."""
        self._writer.write(self._request)

    async def is_accepted(self) -> bool:
        """The answer to the oldest check."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        await self._reader.readexactly(length)
        return head.split(b" ", 2)[1] == b"200"

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def _accepts_after_receipt(cluster: Cluster, chance: Random) -> tuple[bool, int]:
    """Remove one device under one blow: whether there was a receipt, and how many checks after it were accepted."""
    *others, by = chance.sample(cluster.workers, len(cluster.workers))
    frozen = others[0] if chance.random() < 0.4 else None
    (blow,) = chance.choices([act for _, act in _BLOWS], [weight for weight, _ in _BLOWS])
    who = await cluster.sign_in(f"account-{chance.randrange(50)}", by)
    async with Flood(cluster, who) as flood:
        await _all_accept(flood, _WORKERS)
        kept = [await Kept.open(frozen, who) for _ in range(_QUEUED_CHECKS)] if frozen else []
        if frozen:
            frozen.freeze()
        try:
            striking = asyncio.create_task(blow(cluster))
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.01, 0.1)))
            receipt = await _removed(cluster, who, by)
            received, received_ms = time.monotonic(), time.time() * 1_000
            # Begun after the receipt, and read when it thaws, its bells still unread.
            for one in kept:
                one.send()
            await asyncio.sleep(chance.choice((0.01, 0.2)))
        finally:
            if frozen:
                frozen.thaw()
            await striking
        late = [await one.is_accepted() for one in kept]
        await asyncio.sleep(_AFTERWARDS_SECONDS)
        for one in kept:
            one.close()
    if receipt is None:
        return False, 0
    certain = received
    if receipt["status"] == "partial":
        # True as it stands: whoever began before that time was promised nothing.
        certain += (float(str(receipt["certain_at_ms"])) - received_ms) / 1_000
        late = []
    return True, len(flood.accepted_after(certain)) + sum(late)


async def test_no_check_after_a_complete_receipt_is_accepted(evidence: Evidence) -> None:
    """Rule `closed`, three workers: frozen ones, lost subscriptions, a paused, frozen or killed store."""
    chance = Random(2)
    removals = receipts = violations = 0
    async with cluster_of_workers(_WORKERS, outage_rule="closed") as cluster:
        for _ in evidence.trials(_REMOVALS, seconds=150):
            removals += 1
            given, accepted = await _accepts_after_receipt(cluster, chance)
            receipts += given
            violations += accepted > 0

    assert receipts > removals // 2
    evidence.row(
        promise="P2",
        tried="removals under a flood on three workers: frozen workers, cut connections, store paused, frozen, killed",
        trials=receipts,
        violations=violations,
    )
