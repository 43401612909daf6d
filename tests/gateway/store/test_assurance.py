"""What a server is known to keep, on real servers of every setting."""

import asyncio
import time
from collections.abc import Callable

import pytest

from harness.valkey import Valkey
from latchstring_gateway.errors import StoreAway
from latchstring_gateway.store.assurance import Assurances, inspect, is_on_disk
from latchstring_gateway.store.client import Replicas, Store

pytestmark = pytest.mark.store


@pytest.mark.parametrize(
    ("settings", "on_disk"),
    [
        ({"appendfsync": "always"}, True),
        # Valkey 9.1 answers WAITAOF at once here, so a receipt must not lean on it.
        ({"appendfsync": "everysec"}, False),
        ({"appendfsync": "no"}, False),
        ({"appendonly": "no", "appendfsync": "always"}, False),
    ],
)
async def test_only_what_is_known_to_be_on_disk_is_promised(
    own_valkey: Callable[[], Valkey], settings: dict[str, str], on_disk: bool
) -> None:
    """A receipt's `durable` rests on this."""
    server = own_valkey()
    with server.client() as client:
        for name, value in settings.items():
            client.config_set(name, value)
    store = Store(server.url)

    assurance = await inspect(store, 0)

    assert await is_on_disk(store, 0, assurance) == on_disk
    assert assurance.keeps_rows == on_disk
    assert assurance.learns_ms == 0
    await store.close()


async def test_a_server_that_hides_its_settings_is_promised_nothing(own_valkey: Callable[[], Valkey]) -> None:
    """As managed stores do: no error, and no promise either."""
    server = own_valkey()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-config", "-waitaof")
    store = Store(server.url, replicas=Replicas(1, 1))

    assurance = await inspect(store, 0)

    assert assurance.disk == "unknown"
    assert not await is_on_disk(store, 0, assurance)
    assert assurance.learns_ms == 16_000
    await store.close()


async def test_whoever_waits_for_a_look_that_fails_does_not_each_try_again(own_valkey: Callable[[], Valkey]) -> None:
    """Ten receipts under way while the store hung were answered one time limit after the other."""
    server = own_valkey()
    store = Store(server.url, timeout_seconds=0.3)
    looks = Assurances(store)
    await looks.now(0)
    with server.client() as client:
        client.execute_command("CLIENT", "PAUSE", "1500", "ALL")
        began = time.monotonic()
        ends = await asyncio.gather(*(looks.now(0) for _ in range(10)), return_exceptions=True)
        took_seconds = time.monotonic() - began

    assert all(isinstance(end, StoreAway) for end in ends)
    assert took_seconds < 1.2, "two looks: the one under way, and one that began after them all"
    await store.close()
