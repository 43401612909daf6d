"""Putting back what a store has lost, on a real one."""

from collections.abc import AsyncIterator

import pytest

from latchstring_gateway.revocation.entry import Entry, Kind
from latchstring_gateway.revocation.give_back import give_back
from latchstring_gateway.revocation.replica import Replica
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """The shared store, emptied."""
    one = Store(store_url)
    yield one
    await one.close()


def _holding(*what: tuple[Kind, str, int]) -> Replica:
    replica = Replica(600)
    for number, (kind, subject, generation) in enumerate(what, 1):
        replica.apply(7, Entry(number, kind, subject, generation, 1_800_000_000_000, f"07.r{number}", "-"), 0)
    return replica


async def test_an_empty_store_learns_everything_held(store: Store) -> None:
    """Devices are dead again, sessions ended, generations raised, and every entry is in the stream for others."""
    replica = _holding(("device", "d", 0), ("session", "s", 0), ("account", "ada", 3))

    await give_back(store, replica)

    assert await store.redis.hget(keys.device(7, "d"), "state") == "removed"
    assert await store.redis.hget(keys.session(7, "s"), "state") == "ended"
    assert await store.redis.hget(keys.prefix(7) + "account:ada", "generation") == "3"
    assert await store.redis.xlen(keys.revocations(7)) == 3
    assert await store.redis.ttl(keys.device(7, "d")) > 0


async def test_a_store_that_lost_its_floor_learns_it_again(store: Store) -> None:
    """Nobody is signed in again by a loss, and no generation is given out twice."""
    await give_back(store, _holding(("everybody", "07", 6), ("account", "ada", 4)))

    floor = await store.redis.hgetall(keys.generations(7))

    assert floor == {"floor": "6", "last": "6", "not_before_ms": "1800000000000"}


async def test_giving_back_again_adds_nothing(store: Store) -> None:
    """Every worker gives back what it holds; the first one does, the others find it there."""
    replica = _holding(("device", "d", 0), ("account", "ada", 3))

    await give_back(store, replica)
    await give_back(store, replica)

    assert await store.redis.xlen(keys.revocations(7)) == 2


async def test_a_lost_disable_comes_back_as_a_disable(store: Store) -> None:
    """After a fail-over a disabled account was given back as signed out, and could sign in again.

    The entry said `account`, so the act was forgotten. A sign-out of the same account does not hide it.
    """
    held = _holding(("disable", "ada", 3), ("account", "ada", 4))

    await give_back(store, held)
    await give_back(store, held)

    row = await store.redis.hgetall(keys.prefix(7) + "account:ada")
    assert row == {"generation": "4", "not_before_ms": "1800000000000", "disabled": "1"}
    assert await store.redis.xlen(keys.revocations(7)) == 2


async def test_an_account_enabled_since_is_not_disabled_again(store: Store) -> None:
    """The stream still holds the entry, so nothing was lost."""
    held = _holding(("disable", "ada", 3))
    await give_back(store, held)
    await store.redis.hdel(keys.prefix(7) + "account:ada", "disabled")

    await give_back(store, held)

    assert not await store.redis.hexists(keys.prefix(7) + "account:ada", "disabled")


async def test_an_account_enabled_since_is_not_disabled_by_an_old_entry(store: Store) -> None:
    """After a restart of the store, an account that was disabled and enabled hours before was disabled again.

    A worker that started where nobody had watched the clock reads the whole stream, and holds it for some minutes; the
    store was searched for what it held as far back as those minutes only.
    """
    revoked_ms = 1_700_000_000_000
    await store.redis.xadd(keys.revocations(7), {"e": f"1 disable ada 3 {revoked_ms} 07.r1 -"}, id=f"{revoked_ms}-0")
    replica = Replica(600)
    replica.apply(7, Entry(1, "disable", "ada", 3, revoked_ms, "07.r1", "-"), 0)

    await give_back(store, replica)

    assert not await store.redis.exists(keys.prefix(7) + "account:ada")
    assert await store.redis.xlen(keys.revocations(7)) == 1


async def test_a_higher_generation_is_not_lowered(store: Store) -> None:
    """The store may know more than this worker."""
    await store.redis.hset(keys.prefix(7) + "account:ada", "generation", 9)

    await give_back(store, _holding(("account", "ada", 3)))

    assert await store.redis.hget(keys.prefix(7) + "account:ada", "generation") == "9"
