"""One hook under a driven clock."""

from collections.abc import AsyncIterator

import httpx
import pytest

from harness.receivers import URL, Judge, Stand
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.hooks.deliver import Deliverer
from latchstring_gateway.hooks.registry import Hooks
from latchstring_gateway.store.client import Store


@pytest.fixture
async def stand(store_url: str, store_client: object) -> AsyncIterator[Stand]:
    """A hook on the emptied store, a receiver that takes everything, and a deliverer."""
    store, clock = Store(store_url), ManualClock()
    hook = await Hooks(store, clock).add(URL)
    clock.advance(0.01)
    receiver = Judge()
    async with httpx.AsyncClient(transport=httpx.MockTransport(receiver)) as client:
        yield Stand(store, clock, hook, receiver, Deliverer(store, clock), client)
    await store.close()
