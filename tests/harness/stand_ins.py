"""Cheap stand-ins for workers: they register, pulse and agree on keys as workers do, and serve nobody.

`PYTHONPATH=tests .venv/bin/python -m harness.stand_ins` measures what a thousand of them cost a store of their own.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from latchstring_gateway.clock import SystemClock
from latchstring_gateway.revocation import registry
from latchstring_gateway.revocation.neighbours import Neighbours
from latchstring_gateway.revocation.pulse import Answer, Pulse
from latchstring_gateway.revocation.receipt import WorkerRow
from latchstring_gateway.revocation.settled_agreement import SettledAgreement
from latchstring_gateway.store.client import Store

from .valkey import Valkey

_AT_ONCE: Final = 24


class StandIn:
    """One worker, its heartbeat's first half and its look at the keys."""

    def __init__(self, store: Store, name: str) -> None:
        self.name = name
        self.may_sign: tuple[str, ...] = ()
        self._store = store
        self._pulse = Pulse(store, SystemClock(), name)
        self._neighbours = Neighbours(store, SystemClock())
        self._agreement = SettledAgreement(store)

    async def come_to_know(self, *key_ids: str) -> None:
        """Write its row."""
        row = WorkerRow(1_000, "closed", 60_000, 0, key_ids)
        await registry.register(self._store, self.name, row, lease_ms=300_000)

    async def pulse(self) -> Answer:
        """The writing half of one heartbeat."""
        answer = await self._pulse.send()
        assert answer.known
        return answer

    async def second(self, heartbeats: int) -> None:
        """What it asks of the store in a second."""
        for _ in range(heartbeats):
            answer = await self.pulse()
        version = (answer.epoch, answer.registry_version)
        await self._neighbours.strike_dead(version)
        agreement = await self._agreement.newest(version, answer.store_ms, retired=())
        self.may_sign = tuple(sorted(agreement.may_sign(0)))


class StandIns:
    """Many of them on one store; they share its connections."""

    def __init__(self, store: Store, count: int) -> None:
        self.store = store
        self.workers = [StandIn(store, f"host-{number // 16}-0a1b2c.{number}.x") for number in range(count)]
        self._newcomers = 0

    async def enter(self) -> None:
        """All register, with one key."""
        await _some_at_once(one.come_to_know("k1") for one in self.workers)

    async def one_comes(self, *key_ids: str) -> None:
        """Another worker registers, and says no more."""
        self._newcomers += 1
        await StandIn(self.store, f"newcomer.{self._newcomers}.x").come_to_know(*key_ids)

    async def second(self, *, heartbeats: int) -> None:
        """A second of everybody's life, with so many heartbeats, as fast as the store answers."""
        await _some_at_once(one.second(heartbeats) for one in self.workers)

    def agreed(self) -> set[tuple[str, ...]]:
        """Everybody's opinion of what may sign: one, if they agree."""
        return {one.may_sign for one in self.workers}

    async def stats(self) -> dict[str, Any]:
        """How often the store has run each command, inside of scripts, too."""
        return dict(await self.store.guard(self.store.redis.info("commandstats")))


async def _some_at_once(calls: Iterable[Any]) -> None:
    waiting = list(calls)
    for start in range(0, len(waiting), _AT_ONCE):
        await asyncio.gather(*waiting[start : start + _AT_ONCE])


async def _measure(count: int, *, heartbeats: int, seconds: int) -> str:
    """CPU of the store per second, with the workers evenly spread over it as real ones are."""
    server = Valkey(Path(tempfile.mkdtemp(prefix="latch-")))
    store = Store(server.url, timeout_seconds=20)
    try:
        standing = StandIns(store, count)
        await standing.enter()
        await standing.second(heartbeats=1)

        async def cpu_seconds() -> float:
            info = await store.guard(store.redis.info("cpu"))
            return float(info["used_cpu_sys"]) + float(info["used_cpu_user"])

        async def live(number: int, one: StandIn) -> None:
            pause = 1 / max(heartbeats, 1)
            await asyncio.sleep(number / count * pause)
            for beat in range(seconds * heartbeats):
                await (one.second(1) if beat % heartbeats == 0 else one.pulse())
                await asyncio.sleep(pause)

        before, began = await cpu_seconds(), asyncio.get_running_loop().time()
        await asyncio.gather(*(live(number, one) for number, one in enumerate(standing.workers)))
        took = asyncio.get_running_loop().time() - began
        spent = await cpu_seconds() - before
        return (
            f"{count} workers, {heartbeats} heartbeats each of them a second: {spent / took * 100:.1f} % of a core of "
            f"the store, {spent / (count * seconds * heartbeats) * 1e6:.0f} us a heartbeat ({took:.1f} s)"
        )
    finally:
        await store.close()
        server.close()
        shutil.rmtree(server.data_dir)


if __name__ == "__main__":
    for at_a_time in (1, 2, 4):
        print(asyncio.run(_measure(1_000, heartbeats=at_a_time, seconds=8)))
