"""An idempotency key belongs to one act."""

from collections.abc import AsyncIterator

import pytest

from latchstring_gateway.errors import Conflict
from latchstring_gateway.revocation.idempotency import bind
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """The shared store."""
    one = Store(store_url)
    yield one
    await one.close()


async def test_a_key_is_bound_to_the_act_it_came_with_first(store: Store) -> None:
    """Whatever the second act is; the first may be repeated."""
    await bind(store, "k", "act one")
    await bind(store, "k", "act one")
    await bind(store, "another key", "act two")

    with pytest.raises(Conflict) as caught:
        await bind(store, "k", "act two")

    assert caught.value.code == "idempotency_key_reused"
