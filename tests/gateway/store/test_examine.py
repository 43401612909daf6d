"""A store that cannot keep the promises is refused or told of at start, on real servers."""

from collections.abc import Callable

import pytest

from harness.replicated import replicated, sentinels
from harness.valkey import Valkey
from latchstring_gateway.errors import StoreAway, TooFewReplicas
from latchstring_gateway.store import keys
from latchstring_gateway.store.assurance import inspect
from latchstring_gateway.store.client import ALL, Replicas, Store
from latchstring_gateway.store.examine import Findings, examine

pytestmark = pytest.mark.store


async def _found(url: str, checks: int = 0, writes: int = 0, *, may_lose: bool = False) -> Findings:
    store = Store(url, replicas=Replicas(checks, writes, may_lose=may_lose))
    try:
        return await examine(store)
    finally:
        await store.close()


async def test_a_store_as_we_run_it_ourselves_is_found_well(store_url: str) -> None:
    """Not a word."""
    assert await _found(store_url) == Findings()


@pytest.mark.parametrize(
    ("settings", "refused", "warned"),
    [
        ({"maxmemory": "1gb", "maxmemory-policy": "allkeys-lru"}, ["noeviction"], []),
        ({"maxmemory-policy": "volatile-ttl"}, [], ["noeviction"]),
        ({"appendonly": "no"}, [], ["appendonly yes"]),
        ({"appendfsync": "everysec"}, [], ["appendfsync always"]),
        (
            {"maxmemory": "1gb", "maxmemory-policy": "allkeys-lru", "appendfsync": "no"},
            ["noeviction"],
            ["appendfsync always"],
        ),
    ],
)
async def test_each_mistake_is_named_with_its_remedy_and_all_of_them_together(
    own_valkey: Callable[[], Valkey], settings: dict[str, str], refused: list[str], warned: list[str]
) -> None:
    """What forgets on its own is refused; what loses only with the machine's power is told."""
    server = own_valkey()
    with server.client() as client:
        for name, value in settings.items():
            client.config_set(name, value)

    found = await _found(server.url)

    for remedies, lines in ((refused, found.refused), (warned, found.warned)):
        assert len(lines) == len(remedies), lines
        assert all(remedy in line for remedy, line in zip(remedies, lines, strict=True))


async def test_hidden_settings_are_told_and_not_guessed(own_valkey: Callable[[], Valkey]) -> None:
    """A managed store forbids CONFIG: it may be used, and says durable: false."""
    server = own_valkey()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-config")

    found = await _found(server.url)

    assert found.refused == []
    assert ["hides its settings" in line for line in found.warned] == [True]


async def test_as_many_replicas_must_confirm_as_there_are() -> None:
    """Checks and writes together; fewer let both primaries of a partition be believed."""
    with replicated(replicas=2) as (primary, replica, _other):
        url = f"redis://127.0.0.1:{primary.port}"

        assert (await _found(url, 1, 2)) == Findings()
        assert ["loses removals" in line for line in (await _found(url, 1, 1)).warned] == [True]
        assert ["at least as many" in line for line in (await _found(url, 0, 1)).refused] == [True]
        assert len((await _found(url)).refused) == 2
        assert ["are answered 503" in line for line in (await _found(url, 0, 3)).warned] == [True]
        primary.ask("CONFIG", "SET", "min-replicas-to-write", 0)
        assert ["min-replicas-to-write 1" in line for line in (await _found(url, 1, 2)).warned] == [True]
        assert any("is a replica" in line for line in (await _found(f"redis://127.0.0.1:{replica.port}")).refused)


async def test_under_sentinel_every_replica_confirms_or_it_is_refused() -> None:
    """With one of two, a planned fail-over lost 54 of 247 disablings: the other one was promoted.

    A replica that is down counts, since it may come back and be promoted: nothing is confirmed without it.
    """
    with sentinels(replicas=2) as servers:
        assert (await _found(servers.url, 1, ALL)) == Findings()
        assert ["MAY_LOSE_CONFIRMED" in line for line in (await _found(servers.url, 1, 1)).refused] == [True]
        knowingly = await _found(servers.url, 1, 1, may_lose=True)
        assert (knowingly.refused, len(knowingly.warned)) == ([], 1)
        told_by_one = Store(servers.url, replicas=Replicas(1, 1))
        assert not (await inspect(told_by_one, 0)).on_every_replica
        store = Store(servers.url, replicas=Replicas(1, ALL), timeout_seconds=1)
        assert (await inspect(store, 0)).keeps_rows
        await store.guard(store.send("SET", keys.home(0), 1, replicas=ALL))

        servers.replicas()[0].kill9()

        with pytest.raises(TooFewReplicas, match="1 of 2"):
            await store.guard(store.send("SET", keys.home(0), 2, replicas=ALL))
        await store.guard(store.send("SET", keys.home(0), 3, replicas=1))
        await store.close()
        await told_by_one.close()


async def test_a_store_that_does_not_answer_is_no_finding() -> None:
    """It may come later; workers wait for it."""
    with pytest.raises(StoreAway):
        await _found("redis://127.0.0.1:1")
