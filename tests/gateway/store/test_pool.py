"""Connections that the server, or a firewall, has reset while they were idle are not handed out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from harness.relay import Relay, relay_to
from harness.valkey import Valkey
from harness.waiting import wait_until_async
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store

_CALLS = 30


@asynccontextmanager
async def through_a_relay(store_server: Valkey) -> AsyncIterator[tuple[Relay, Store]]:
    """A store reached by TCP, as one on another machine is."""
    async with relay_to(store_server.socket_path) as relay:
        store = Store(relay.url)
        yield relay, store
        await store.close()


async def faults_of_calls(store: Store) -> list[str]:
    """What comes of calls at the same time; one connection each."""
    calls = [store.guard(store.redis.set(f"key-{number}", "x", ex=60)) for number in range(_CALLS)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    return [repr(answer) for answer in answers if isinstance(answer, BaseException)]


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_a_connection_that_was_reset_in_the_pool_costs_no_call(
    store_server: Valkey, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """A reset of idle connections made 29 of 30 calls fail with uvloop's RuntimeError, one for each connection."""

    async def attempt() -> list[str]:
        async with through_a_relay(store_server) as (relay, store):
            assert await faults_of_calls(store) == []
            relay.reset()
            await wait_until_async(lambda: relay.connections == 0, "the connections to be gone")
            # The other end hears of it by the next turn of the loop.
            await asyncio.sleep(0.05)
            return await faults_of_calls(store)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(attempt()) == []
