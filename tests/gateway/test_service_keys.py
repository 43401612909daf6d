"""Who may call /v1: a credential that exists, spelled right, once, until it is revoked."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.errors import NotFound, NotSignedIn, StoreAway
from latchstring_gateway.service_keys import ServiceKeys
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store


@pytest.fixture
async def service_keys(store_url: str, store_client: redis.asyncio.Redis) -> AsyncIterator[ServiceKeys]:
    """The credentials of an empty store."""
    store = Store(store_url)
    yield ServiceKeys(store, ManualClock())
    await store.close()


async def test_a_credential_opens_until_it_is_revoked(service_keys: ServiceKeys) -> None:
    """From the call after the revocation on it is worth nothing."""
    credential = await service_keys.add("web")
    key_id = await service_keys.check(f"Bearer {credential}")

    await service_keys.revoke(key_id)

    with pytest.raises(NotSignedIn):
        await service_keys.check(f"Bearer {credential}")
    with pytest.raises(NotFound):
        await service_keys.revoke(key_id)


async def test_the_store_holds_only_a_hash(service_keys: ServiceKeys, store_client: redis.asyncio.Redis) -> None:
    """Neither list nor store gives the secret back."""
    credential = await service_keys.add("web")
    secret = credential.removeprefix("lsk_")[23:]

    rows = str(await store_client.hgetall(keys.SERVICE_KEYS))
    listed = await service_keys.list()

    assert len(secret) == 43
    assert secret not in rows
    assert secret not in repr(listed)
    assert [key.name for key in listed] == ["web"]


async def test_every_other_spelling_is_refused_with_the_same_answer(service_keys: ServiceKeys) -> None:
    """Absent, malformed, of another key, cut, longer: one code, so nothing can be learned."""
    credential = await service_keys.add("web")
    other = await service_keys.add("other")
    swapped = credential[:26] + other[26:]
    wrong = [
        "",
        "Bearer",
        "Bearer ",
        credential,
        f"Basic {credential}",
        f"Bearer {credential[:-1]}",
        f"Bearer {credential}x",
        f"Bearer {credential} ",
        f"Bearer {swapped}",
        f"Bearer lsk_{'A' * 22}_{'A' * 43}",
        f"Bearer lsk_{credential}",
        "Bearer lsk_\x00\udcff",
    ]

    codes = set()
    for authorization in wrong:
        with pytest.raises(NotSignedIn) as refused:
            await service_keys.check(authorization)
        codes.add((refused.value.code, refused.value.detail))

    assert len(codes) == 1


async def test_without_a_store_nobody_is_refused() -> None:
    """503 and not 401: the caller's key may be perfectly good."""
    nowhere = Store("unix:///nonexistent/valkey.sock")
    with pytest.raises(StoreAway):
        await ServiceKeys(nowhere, ManualClock()).check(f"Bearer lsk_{'A' * 22}_{'A' * 43}")
    await nowhere.close()


async def test_an_id_can_be_typed_on_a_command_line(service_keys: ServiceKeys) -> None:
    """None of a few hundred begins with a dash, which would make it an option (one in 64 random ids does)."""
    for _ in range(300):
        await service_keys.add("web")

    assert [key.id for key in await service_keys.list() if key.id.startswith("-")] == []
