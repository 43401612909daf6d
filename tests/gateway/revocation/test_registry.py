"""Which workers there are, in a real store."""

import os
from collections.abc import AsyncIterator

import pytest

from latchstring_gateway.revocation import registry
from latchstring_gateway.revocation.receipt import Registered, WorkerRow
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store

_ROW = WorkerRow(1000, "closed", 60_000, 0, ("k1",))


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """The shared store, emptied."""
    one = Store(store_url)
    yield one
    await one.close()


async def test_a_row_is_read_as_it_was_written(store: Store) -> None:
    """Registering enters the row and a first pulse; again, it replaces the row."""
    await registry.register(store, "a.1.x", WorkerRow(500, "closed", 1, 0), lease_ms=300_000)
    await registry.register(store, "a.1.x", _ROW, lease_ms=300_000)

    (found,) = await registry.read(store)

    assert (found.worker, found.row) == ("a.1.x", _ROW)
    assert found.pulse_ms > 1_700_000_000_000


async def test_striking_spares_whoever_has_pulsed_since(store: Store) -> None:
    """A revoker's patience is with the pulse it saw; a worker that came back meanwhile stays."""
    await registry.register(store, "a.1.x", _ROW, lease_ms=300_000)
    (seen,) = await registry.read(store)

    assert not await registry.strike(store, "a.1.x", pulse_ms=seen.pulse_ms - 1)
    assert len(await registry.read(store)) == 1
    assert await registry.strike(store, "a.1.x", pulse_ms=seen.pulse_ms)
    assert not await registry.strike(store, "a.1.x")
    assert await registry.read(store) == ()


async def test_a_reaped_process_takes_out_its_own_worker_only(store: Store) -> None:
    """A host whose name begins alike, and a process whose id begins alike, are somebody else."""
    for worker in ("a-1f.12.x", "a-1f.123.x", "a-1f.12.y", "a-2f.12.x", "b.a-1f.12.x"):
        await registry.register(store, worker, _ROW, lease_ms=300_000)

    await registry.strike_process(store, "a-1f", 12)

    assert [one.worker for one in await registry.read(store)] == ["a-1f.123.x", "a-2f.12.x", "b.a-1f.12.x"]


async def test_the_longest_lease_of_the_deployment_only_grows(store: Store, store_url: str) -> None:
    """A worker with shorter leases does not shorten what others must remember."""
    await registry.register(store, "a.1.x", _ROW, lease_ms=300_000)
    await registry.register(store, "b.1.x", _ROW, lease_ms=60_000)

    assert await store.redis.hget("{1bz}:deployment", "lease_max_ms") == "300000"


def test_a_host_is_named_for_people_and_marked_for_its_process_ids() -> None:
    """The same process asks twice and gets the same; a worker's id has neither spaces nor too much of a name."""
    host = registry.this_host()

    assert host == registry.this_host()
    assert len(host) <= 40
    assert registry.worker_id(host, os.getpid(), "x") == f"{host}.{os.getpid()}.x"
    assert " " not in registry.worker_id("my host", 1, "x")


def test_a_pulse_from_before_the_clock_was_set_says_nothing_of_when() -> None:
    """It looked an hour old, or of the future; since the step, at least, the worker has not pulsed."""
    roll = registry.RollCall((), 10_000, "run", 0, watched_since_ms=9_000)

    since = [roll.silent_since_ms(Registered("w", _ROW, pulse_ms)) for pulse_ms in (9_000, 9_500, 8_999, 10_001, 0)]

    assert since == [9_000, 9_500, 9_000, 9_000, 0]
    assert roll.clock == "run 9000"
