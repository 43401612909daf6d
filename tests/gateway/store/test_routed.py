"""Each command goes to the server of its key's partition."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from harness.valkey import Valkey
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Node, Store
from latchstring_gateway.store.routed import partition_of_words

pytestmark = pytest.mark.store


@pytest.mark.parametrize(
    ("words", "partition"),
    [
        (("HGET", keys.revocations(7), "x"), 7),
        (("EVALSHA", "digest", 2, keys.number(255), keys.number(255), "arg"), 255),
        (("EVAL", "text", 0), 0),
        (("SPUBLISH", keys.acks("w"), "x"), 0),
        (("PING",), 0),
        (("GET", "no tag of ours"), 0),
        (("GET", "{zzzz}:x"), 0),
        (("GET", ""), 0),
        (("CONFIG GET", "appendfsync"), 0),
    ],
)
def test_the_first_key_names_the_partition(words: tuple[Any, ...], partition: int) -> None:
    """What has none, or a foreign one, goes where the deployment's own keys are."""
    assert partition_of_words(words) == partition


class TwoServers(Store):
    """Even partitions here, odd ones there."""

    def __init__(self, here: str, there: str) -> None:
        super().__init__(here)
        self.there = Store(there)

    async def node_of(self, partition: int) -> Node:
        """See `Store.node_of`."""
        return await (self.there.node_of(0) if partition % 2 else super().node_of(partition))

    async def close(self) -> None:
        """See `Store.close`."""
        await self.there.close()
        await super().close()


@pytest.fixture
async def store(store_url: str, own_valkey: Callable[[], Valkey]) -> AsyncIterator[TwoServers]:
    """A store on two servers."""
    one = TwoServers(store_url, own_valkey().url)
    yield one
    await one.close()


async def test_a_pipeline_comes_back_in_the_order_in_which_it_was_gathered(store: TwoServers) -> None:
    """However its commands were spread."""
    pipe = store.redis.pipeline(transaction=False)
    for partition in range(20):
        pipe.set(keys.number(partition), partition)
    await store.guard(pipe.execute())
    pipe = store.redis.pipeline(transaction=False)
    for partition in reversed(range(20)):
        pipe.get(keys.number(partition))

    found = await store.guard(pipe.execute())

    assert found == [str(partition) for partition in reversed(range(20))]
    assert await store.there.redis.dbsize() == 10
    assert await store.redis.get(keys.number(3)) == "3"
