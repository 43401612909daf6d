"""Signing everybody out: one receipt, 256 partitions, nobody spared and nobody hit twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from harness.valkey import Valkey
from harness.waiting import wait_until_async
from harness.worker_app import Jar, Worker, now_ms, running_worker, settings_for
from latchstring_gateway.ids import Account, to_text
from latchstring_gateway.store import keys

pytestmark = pytest.mark.store


@pytest.fixture
async def pair(store_url: str, tmp_path: Path) -> AsyncIterator[tuple[Worker, Worker]]:
    """Two workers of one deployment."""
    settings = settings_for(store_url, tmp_path)
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(running_worker(settings)) for _ in range(2)]
        yield one, other


async def _signed_in(worker: Worker, number: int) -> list[Jar]:
    return [await worker.signed_in(f"user{n}") for n in range(number)]


async def test_after_the_receipt_no_worker_accepts_anybody(pair: tuple[Worker, Worker]) -> None:
    """Accounts of many partitions, with and without earlier generations, by lease and by store, on both workers."""
    one, other = pair
    await one.api("POST", "/v1/accounts/user3/revoke")
    jars = await _signed_in(one, 40)
    assert {(await other.verify(jar)).status_code for jar in jars} == {200}

    answer = await one.api("POST", "/v1/revoke-everybody")

    receipt = answer.json()
    assert (answer.status_code, receipt["status"], receipt["applied"], receipt["workers"]) == (200, "complete", 2, 2)
    for worker in pair:
        assert {(await worker.verify(jar)).status_code for jar in jars} == {401}
        assert {(await worker.verify(worker.run_out(jar))).status_code for jar in jars} == {401}
    found = await other.api("GET", f"/v1/revocations/{receipt['id']}")
    assert found.json() == receipt


async def test_every_partition_has_one_entry_and_the_hooks_hear_once(pair: tuple[Worker, Worker]) -> None:
    """The event names no account: it is about all of them."""
    one, _ = pair

    await one.api("POST", "/v1/revoke-everybody")

    store = one.store.redis
    entries: list[Any] = [await store.xrange(keys.revocations(p)) for p in range(keys.PARTITIONS)]
    words = [fields["e"].split(" ")[1:4] for stream in entries for _, fields in stream]
    assert words == [["everybody", f"{p:02x}", "1"] for p in range(keys.PARTITIONS)]
    outboxes: list[Any] = [await store.xrange(keys.outbox(p)) for p in range(keys.PARTITIONS)]
    events = [fields for outbox in outboxes for _, fields in outbox]
    assert [(fields["type"], fields["account"]) for fields in events] == [("everybody.signed_out", "")]


async def test_a_password_checked_before_is_refused_and_one_checked_after_is_not(pair: tuple[Worker, Worker]) -> None:
    """409 for whoever was under way, known account or new; the next sign-in is as good as ever."""
    one, other = pair
    await one.signed_in("ada")
    checked_at = now_ms()
    await one.api("POST", "/v1/revoke-everybody")

    refused = [await other.sign_in(who, authenticated_at_ms=checked_at) for who in ("ada", "never-seen")]
    jar = await other.signed_in("ada")

    assert [(a.status_code, a.json()["code"]) for a in refused] == [(409, "sign_in_overtaken")] * 2
    assert {(await worker.verify(jar)).status_code for worker in pair} == {200}
    assert (await one.verify(one.run_out(jar))).status_code == 200
    assert other.lease(jar).generation == 1


async def test_the_next_revocation_of_an_account_still_counts(pair: tuple[Worker, Worker]) -> None:
    """Generations stay above the floor, so an account can be signed out again afterwards, and everybody after that."""
    one, other = pair
    for _ in range(3):
        await one.api("POST", "/v1/revoke-everybody")
        jar = await one.signed_in("ada")
        assert (await other.verify(jar)).status_code == 200

        await one.api("POST", "/v1/accounts/ada/revoke")

        assert {(await worker.verify(jar)).status_code for worker in pair} == {401}
        again = await one.signed_in("ada")
        assert (await other.verify(again)).status_code == 200


async def test_repeated_with_its_key_nobody_who_signed_in_since_is_touched(pair: tuple[Worker, Worker]) -> None:
    """A caller that lost the answer repeats: the same receipt id, complete, and the new sign-in stands."""
    one, other = pair
    first = (await one.api("POST", "/v1/revoke-everybody", idempotency_key="k")).json()
    jar = await one.signed_in("ada")

    again, twice = await asyncio.gather(
        other.api("POST", "/v1/revoke-everybody", idempotency_key="k"),
        other.api("POST", "/v1/revoke-everybody", idempotency_key="k"),
    )

    assert [(a.json()["id"], a.json()["status"]) for a in (again, twice)] == [(first["id"], "complete")] * 2
    assert {(await worker.verify(jar)).status_code for worker in pair} == {200}
    other_key = (await one.api("POST", "/v1/revoke-everybody", idempotency_key="k2")).json()
    assert other_key["id"] != first["id"]
    assert {(await worker.verify(jar)).status_code for worker in pair} == {401}


async def test_cut_short_it_gives_no_receipt_and_goes_on_when_repeated(
    own_valkey: Callable[[], Valkey], tmp_path: Path
) -> None:
    """The store dies in the middle: 503, no receipt to be found; the repetition signs out the rest."""
    valkey = own_valkey()
    async with running_worker(settings_for(valkey.url, tmp_path)) as worker:
        jars = await _signed_in(worker, 30)
        done = keys.revocations(100)
        acting = asyncio.create_task(worker.api("POST", "/v1/revoke-everybody", idempotency_key="k"))
        with valkey.client() as client:
            while not client.exists(done):
                await asyncio.sleep(0)
        valkey.kill9()
        cut = await acting
        valkey.restart()
        # The fence may hold from before; what was then asked was answered 503.
        feed = worker.rooms.feed
        await wait_until_async(lambda: feed.holds() and not feed.store_away, "the worker to follow again")
        some = {(await worker.verify(worker.run_out(jar))).status_code for jar in jars}
        unknown = await worker.api("GET", f"/v1/revocations/everybody.{to_text(sha256(b'k').digest()[:16])}")

        whole = await worker.api("POST", "/v1/revoke-everybody", idempotency_key="k")

        assert (cut.status_code, cut.json()["code"]) == (503, "revocation_not_confirmed")
        assert some == {200, 401}
        assert unknown.status_code == 404
        assert (whole.json()["id"], whole.json()["status"]) == (unknown.url.path.rpartition("/")[2], "complete")
        assert {(await worker.verify(jar)).status_code for jar in jars} == {401}
        assert await worker.store.redis.hget(keys.generations(0), "floor") == "1", "the first part is not done twice"


async def test_a_worker_that_starts_later_knows_it(pair: tuple[Worker, Worker], store_url: str, tmp_path: Path) -> None:
    """It loads the floors with everything else before it trusts a lease."""
    one, _ = pair
    jar = await one.signed_in("ada")
    await one.api("POST", "/v1/revoke-everybody")

    async with running_worker(one.rooms.settings) as late:
        assert late.rooms.feed.replica.floors[keys.partition_of(Account("ada"))] == 1
        assert (await late.verify(jar)).status_code == 401
