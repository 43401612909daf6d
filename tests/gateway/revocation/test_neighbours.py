"""Workers of this host whose processes are no more are struck from the registry, without reading it every second."""

import os
import subprocess
from collections.abc import AsyncIterator

import pytest

from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.revocation import registry
from latchstring_gateway.revocation.neighbours import Neighbours
from latchstring_gateway.revocation.receipt import WorkerRow
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store

_ROW = WorkerRow(1_000, "closed", 60_000, 0)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """The shared store, emptied."""
    one = Store(store_url)
    yield one
    await one.close()


async def _registered(store: Store) -> set[str]:
    return {one.worker for one in await registry.read(store)}


async def test_dead_neighbours_are_struck_and_nobody_else(store: Store) -> None:
    """A process of this host that is no more goes; one that lives, and whoever is on another host, stays."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    here = registry.this_host()
    workers = [registry.worker_id(here, ended.pid, "x"), registry.worker_id(here, os.getpid(), "x")]
    workers.append(registry.worker_id("elsewhere", ended.pid, "x"))
    for worker in workers:
        await registry.register(store, worker, _ROW, lease_ms=300_000)

    await Neighbours(store, SystemClock()).strike_dead((1, 3))

    assert await _registered(store) == set(workers[1:])


async def test_one_that_dies_later_is_found_though_the_registry_did_not_change(store: Store) -> None:
    """A supervisor killed with its workers writes nothing; the processes are looked at each time."""
    running = subprocess.Popen(["sleep", "60"])
    worker = registry.worker_id(registry.this_host(), running.pid, "x")
    await registry.register(store, worker, _ROW, lease_ms=300_000)
    neighbours = Neighbours(store, SystemClock())
    await neighbours.strike_dead((1, 1))
    assert await _registered(store) == {worker}
    running.kill()
    running.wait()

    await neighbours.strike_dead((1, 1))

    assert await _registered(store) == set()


async def test_the_registry_is_read_only_if_it_changed_and_seldom(store: Store) -> None:
    """The roll call read every row each second, in every worker: 1,000 of them kept four cores of the store busy."""
    clock = ManualClock()
    neighbours = Neighbours(store, clock)

    async def reads() -> int:
        return int((await store.redis.info("commandstats")).get("cmdstat_hkeys", {}).get("calls", 0))

    before = await reads()
    for version in (1, 1, 1, 2, 3, 4):
        await neighbours.strike_dead((1, version))
    assert await reads() - before == 1
    clock.advance(10)
    await neighbours.strike_dead((1, 4))
    await neighbours.strike_dead((1, 4))
    assert await reads() - before == 2
