"""Receipts as they stand in the store."""

import time
from collections.abc import AsyncIterator

import pytest

from latchstring_gateway.errors import NotFound
from latchstring_gateway.revocation.filed import file, partition_of_receipt, read, ring_again
from latchstring_gateway.revocation.receipt import Missing, Receipt
from latchstring_gateway.revocation.registry import RollCall
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """The shared store."""
    one = Store(store_url)
    yield one
    await one.close()


_COMPLETE = Receipt("07.x", "complete", applied=3, workers=3, elapsed_ms=1.0, durable=True)


def _roll(now_ms: int, run_id: str = "one", stamp_ms: int = 0) -> RollCall:
    return RollCall((), now_ms, run_id, stamp_ms)


async def test_a_complete_receipt_is_never_taken_back(store: Store) -> None:
    """A repeat that met a silent worker would have made it partial again."""
    partial = Receipt("07.x", "partial", 2, 3, 1.0, True, (Missing("w", 900),), 900)

    await file(store, partial, 100, "one")
    before = (await read(store, "07.x")).as_of(_roll(100))
    await file(store, _COMPLETE, 200, "one")
    await file(store, partial, 300, "one")

    assert before == partial
    assert (await read(store, "07.x")).as_of(_roll(300)) == _COMPLETE


async def test_a_proxy_that_forgets_counts_as_applied(store: Store) -> None:
    """The worker behind it had confirmed; a silent one whose time is over counts as neither."""
    missing = (Missing("a", 500, "cache"), Missing("b", 700), Missing("unknown", 900, "fail_over"))

    await file(store, Receipt("07.x", "partial", 1, 4, 1.0, True, missing, 900), 100, "one")
    filed = await read(store, "07.x")

    counts = [(one.status, one.applied, one.workers) for one in map(filed.as_of, map(_roll, (499, 500, 700, 900)))]
    assert counts == [("partial", 1, 4), ("partial", 2, 4), ("partial", 2, 3), ("complete", 2, 2)]


async def test_what_is_left_to_wait_is_waited_anew_where_another_server_came(store: Store) -> None:
    """Its clock may be another: 400 ms from its stamp."""
    await file(store, Receipt("07.x", "partial", 1, 2, 1.0, True, (Missing("b", 900),), 900), 500, "one")
    filed = await read(store, "07.x")

    now = [filed.as_of(_roll(now_ms, "two", stamp_ms=5_000)).status for now_ms in (5_399, 5_400)]

    assert now == ["partial", "complete"]


async def test_of_a_former_release_nothing_can_be_rung(store: Store) -> None:
    """Its receipts lack the words of their entries."""
    await store.redis.hset("{" + "1bz}:receipt:00.x", mapping={"at_ms": int(time.time() * 1_000)})

    assert await ring_again(store, "00.x", reply_to="w") is None


@pytest.mark.parametrize("name", ["", "zz.x"])
async def test_an_id_that_no_receipt_can_have_is_not_found(name: str) -> None:
    """A made-up id is a 404."""
    with pytest.raises(NotFound):
        partition_of_receipt(name)
