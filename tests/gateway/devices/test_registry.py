"""Device rows and the names their owners give them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.devices.registry import MAX_NAME_CHARS, Devices, checked_name
from latchstring_gateway.errors import BadRequest, NotFound, StoreAway
from latchstring_gateway.ids import Account
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

ADA = Account("ada")
_PARTITION = keys.partition_of(ADA)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """The emptied store."""
    opened = Store(store_url)
    yield opened
    await opened.close()


async def _row(store: Store, device: str, **fields: Any) -> None:
    row: Any = {"account": "ada", "state": "active", "name": "TV", **fields}
    await store.redis.hset(keys.device(_PARTITION, device), mapping=row)
    await store.redis.sadd(keys.devices(ADA), device)


async def test_devices_are_listed_last_used_first(store: Store) -> None:
    """A row of an older version that lacks fields still reads; an id without a row is passed over."""
    await _row(store, "old", last_seen_ms=1, reuse_at_ms=7, remembered="1")
    await _row(store, "new", last_seen_ms=2)
    await store.redis.sadd(keys.devices(ADA), "gone")

    rows = await Devices(store).list(ADA)

    assert [row.id for row in rows] == ["new", "old"]
    assert (rows[1].reuse_at_ms, rows[1].remembered, rows[0].kind) == (7, True, "other")
    assert rows[0].as_dict()["name"] == "TV"


async def test_only_an_active_device_of_the_account_is_renamed(store: Store) -> None:
    """Another account's and a removed one are not found, and stay as they are."""
    await _row(store, "mine")
    await _row(store, "removed", state="removed")
    await _row(store, "bobs", account="bob")
    devices = Devices(store)

    await devices.rename(ADA, "mine", "Küche")
    for device in ("removed", "bobs", "none"):
        with pytest.raises(NotFound):
            await devices.rename(ADA, device, "Küche")

    row: Any = await store.redis.hgetall(keys.device(_PARTITION, "mine"))
    assert (row["name"], row["named_by_owner"]) == ("Küche", "1")
    assert await store.redis.hget(keys.device(_PARTITION, "bobs"), "name") == "TV"
    assert not await store.redis.exists(keys.device(_PARTITION, "none"))


async def test_without_a_store_the_devices_are_unknown_not_none() -> None:
    """StoreAway: an empty list would look as if everything had been removed."""
    store = Store("redis://127.0.0.1:1")

    with pytest.raises(StoreAway):
        await Devices(store).list(ADA)
    await store.close()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("TV", "TV"),
        ("  Wohnzimmer ", "Wohnzimmer"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("\u0646\u200c\u0627\u0645", "\u0646\u200c\u0627\u0645"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("<b>&amp;'\"", "<b>&amp;'\""),
        ("x" * MAX_NAME_CHARS, "x" * MAX_NAME_CHARS),
    ],
)
def test_a_name_of_any_script_is_kept_as_typed(typed: str, kept: str) -> None:
    """Trimmed and composed, otherwise unchanged; escaping is for whoever shows it."""
    assert checked_name(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " \t ",
        "x" * (MAX_NAME_CHARS + 1),
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\u2028b",
        "\u202egnp.exe",
        "\u2066x",
        "\ud800",
    ],
)
def test_a_name_that_would_disturb_a_page_is_refused(typed: str) -> None:
    """Nothing, too much, control characters, and what turns text about."""
    with pytest.raises(BadRequest):
        checked_name(typed)


@given(st.text(max_size=80))
def test_a_kept_name_is_kept_again(typed: str) -> None:
    """Naming a device what it is called already changes nothing."""
    try:
        kept = checked_name(typed)
    except BadRequest:
        return

    assert checked_name(kept) == kept
    assert 0 < len(kept) <= MAX_NAME_CHARS
