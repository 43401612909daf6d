"""Which keys the registered workers agree on, in a real store."""

from collections.abc import AsyncIterator

import pytest

from latchstring_gateway.revocation import registry
from latchstring_gateway.revocation.key_agreement import Agreement, KnownKey, agree
from latchstring_gateway.revocation.receipt import WorkerRow
from latchstring_gateway.store.client import Store
from latchstring_gateway.store.keys import WORKERS

pytestmark = pytest.mark.store


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """The shared store, emptied."""
    one = Store(store_url)
    yield one
    await one.close()


async def enter(store: Store, worker: str, *key_ids: str) -> None:
    """A worker that knows these keys."""
    await registry.register(store, worker, WorkerRow(1000, "closed", 60_000, 0, key_ids), lease_ms=300_000)


async def signs(store: Store, *retired: str) -> frozenset[str]:
    """What may sign without a lead."""
    return (await agree(store, retired=retired)).may_sign(0)


async def test_a_key_may_sign_when_every_worker_knows_it(store: Store) -> None:
    """One worker that does not know it is enough to hold it back."""
    await enter(store, "a.1.x", "old1", "new1")
    await enter(store, "b.1.x", "old1")
    before = await signs(store)
    await enter(store, "b.1.x", "old1", "new1")

    assert before == {"old1"}
    assert await signs(store) == {"old1", "new1"}


async def test_the_lead_counts_from_when_all_knew_it(store: Store) -> None:
    """By the store's clock, from the moment the last one had it."""
    await enter(store, "a.1.x", "old1")
    agreement = await agree(store, retired=())
    (key,) = agreement.keys

    assert key.agreed_at_ms is not None
    assert agreement.now_ms - key.agreed_at_ms < 1_000
    later = Agreement(key.agreed_at_ms + 119_999, 1, agreement.keys)
    assert not later.may_sign(120)
    assert later.may_sign(119.9) == {"old1"}
    again = await agree(store, retired=())
    assert again.keys == agreement.keys


async def test_a_worker_that_comes_later_finds_the_keys_in_use(store: Store) -> None:
    """It holds the key back from then on, and learns that its tokens may be about already."""
    await enter(store, "a.1.x", "old1", "new1")
    await agree(store, retired=())
    await enter(store, "b.1.x", "old1")

    agreement = await agree(store, retired=())

    assert agreement.may_sign(0) == {"old1"}
    assert agreement.in_use() == {"old1", "new1"}


async def test_a_key_that_not_all_have_known_is_not_in_use(store: Store) -> None:
    """A rotation on its way to the hosts makes nobody unready."""
    await enter(store, "a.1.x", "old1", "new1")
    await enter(store, "b.1.x", "old1")

    assert (await agree(store, retired=())).in_use() == {"old1"}


async def test_a_retired_key_is_in_use_no_more(store: Store) -> None:
    """Nor is one that no worker can verify with: waiting for it would help nobody."""
    await enter(store, "a.1.x", "old1", "new1")
    await agree(store, retired=())
    await enter(store, "a.1.x", "new1")

    agreement = await agree(store, retired=("old1", "gone"))

    assert agreement.keys == (KnownKey("new1", 1, agreement.keys[0].agreed_at_ms),)
    assert [name async for name in store.redis.scan_iter("*agreed-keys")] == ["{1bz}:agreed-keys"]
    assert await store.redis.hkeys("{1bz}:agreed-keys") == ["new1"]


async def test_without_workers_nothing_is_agreed(store: Store) -> None:
    """Nobody may sign on nobody's word."""
    agreement = await agree(store, retired=())

    assert (agreement.workers, agreement.may_sign(0), agreement.in_use()) == (0, frozenset(), frozenset())


@pytest.mark.parametrize("keys_of_it", ["[null]", "[true]", "[[1]]", '[":version"]', "7"])
async def test_a_row_with_keys_that_are_none_stopped_the_agreement_for_all(store: Store, keys_of_it: str) -> None:
    """The script failed at every call of every worker, and no new key could sign."""
    await enter(store, "a.1.x", "k1")
    row = f'{{"fence_ms":1,"rule":"closed","last_known_good_ms":0,"verify_cache_ms":0,"keys":{keys_of_it}}}'
    await store.redis.hset(WORKERS, "b.1.x", row)

    agreement = await agree(store, retired=())

    assert [key.id for key in agreement.keys] == ["k1"]
    assert (await agree(store, retired=())).keys == agreement.keys
