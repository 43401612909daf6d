"""Who may call /v1: a credential that exists, spelled right, once, until it is revoked."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.errors import NotAllowed, NotFound, NotSignedIn, StoreAway
from latchstring_gateway.service_keys import ServiceKeys, is_operator_call, operator_authorization
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import DeviceToken


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


async def test_a_credential_for_reports_opens_reports_and_nothing_else(service_keys: ServiceKeys) -> None:
    """Known, but not allowed; the list says which is which."""
    credential = await service_keys.add("ada", reports_only=True)
    await service_keys.add("web")

    assert await service_keys.check(f"Bearer {credential}", for_reports=True) == credential[4:26]
    with pytest.raises(NotAllowed) as refused:
        await service_keys.check(f"Bearer {credential}")
    assert refused.value.code == "reports_only"
    assert {key.name: key.reports_only for key in await service_keys.list()} == {"ada": True, "web": False}
    assert await service_keys.has(credential[4:26])
    await service_keys.revoke(credential[4:26])
    assert not await service_keys.has(credential[4:26])


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


def _codec(key_id: str = "opskey") -> Codec:
    return Codec(KeyRing.from_json(dump([RingKey(key_id, KeyState.ACTIVE, 1, 1, bytes(32))]), ManualClock()))


_ACT = "POST /v1/revoke-everybody"


def test_an_operator_call_is_good_for_its_own_act_and_for_half_a_minute() -> None:
    """Whoever finds it can do nothing but that, and not for long; not even a clock that runs ahead helps."""
    codec = _codec()
    header = operator_authorization(codec, _ACT, now_ms=1_000_000)

    assert is_operator_call(codec, header, _ACT, now_ms=1_000_000)
    assert is_operator_call(codec, header, _ACT, now_ms=1_030_000)
    assert not is_operator_call(codec, header, _ACT, now_ms=1_030_001)
    assert not is_operator_call(codec, header, _ACT, now_ms=969_999)
    for act in ("POST /v1/sessions", "GET /v1/revoke-everybody", "POST /v1/revoke-everybody/", ""):
        assert not is_operator_call(codec, header, act, now_ms=1_000_000)


def test_an_operator_call_of_another_ring_or_purpose_is_none() -> None:
    """Only who holds the key ring makes one; a cookie of the same ring is none."""
    codec = _codec()
    foreign = operator_authorization(_codec("other1"), _ACT, now_ms=0)
    cookie = "Bearer " + codec.seal(DeviceToken(bytes(16), 0)).decode()
    good = operator_authorization(codec, _ACT, now_ms=0)

    for header in (foreign, cookie, good[:-1], good + "=", good.lower(), "", "Bearer ", "Bearer \udcff"):
        assert not is_operator_call(codec, header, _ACT, now_ms=0)
