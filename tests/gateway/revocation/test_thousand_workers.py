"""A thousand workers on one store: what their heartbeats and their agreement on keys read there, by its own counts."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from harness.stand_ins import StandIns
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store

_WORKERS = 1_000


@pytest.fixture
async def stand_ins(store_url: str) -> AsyncIterator[StandIns]:
    """All of them registered, and agreed for the first time."""
    store = Store(store_url, timeout_seconds=20)
    made = StandIns(store, _WORKERS)
    await made.enter()
    await made.second(heartbeats=1)
    yield made
    await store.close()


def _calls(before: dict[str, Any], after: dict[str, Any], command: str) -> int:
    name = f"cmdstat_{command}"
    return int(after.get(name, {}).get("calls", 0)) - int(before.get(name, {}).get("calls", 0))


async def test_nobody_reads_the_rows_of_the_others_while_nothing_changes(stand_ins: StandIns) -> None:
    """Each worker read all rows twice a second, for its roll call and for the keys: 4.4 cores at 1,000 workers.

    A version that rides on the heartbeat says that nothing has changed: a second costs no script but the heartbeats.
    """
    before = await stand_ins.stats()
    for _ in range(2):
        await stand_ins.second(heartbeats=1)
    after = await stand_ins.stats()

    assert [_calls(before, after, read) for read in ("hgetall", "hvals", "hkeys", "hlen")] == [0, 0, 0, 0]
    assert _calls(before, after, "evalsha") == 2 * _WORKERS
    assert stand_ins.agreed() == {("k1",)}


async def test_a_change_is_read_once_for_all(stand_ins: StandIns) -> None:
    """A worker comes: everybody hears of it and asks which keys are known now, and the rows are counted once."""
    before = await stand_ins.stats()
    await stand_ins.one_comes("k1", "k2")
    await stand_ins.second(heartbeats=1)
    after = await stand_ins.stats()

    assert _calls(before, after, "hvals") == 1
    assert _calls(before, after, "hgetall") == _WORKERS, "the counts, a field for each key"
    assert _calls(before, after, "hkeys") == 0, "whose neighbours they are is read every 10 s"
    assert stand_ins.agreed() == {("k1",)}, "one alone knows the newer key"


async def test_a_worker_without_the_key_is_heard_of_at_once(stand_ins: StandIns) -> None:
    """Nothing is cached over a change: the next look holds the key back that the newcomer does not know."""
    await stand_ins.one_comes("k9")
    await stand_ins.second(heartbeats=1)

    assert stand_ins.agreed() == {()}
    await asyncio.gather(*(one.come_to_know("k1", "k9") for one in stand_ins.workers))
    await stand_ins.second(heartbeats=1)
    assert stand_ins.agreed() == {("k9",)}
