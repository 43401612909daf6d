"""The store goes away: good sessions go on for the time the operator gave, then wait, and nobody is ever signed out."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from harness.valkey import Valkey
from harness.waiting import wait_until_async
from harness.worker_app import SESSION, Worker, running_worker, set_cookies, settings_for
from latchstring_gateway.ids import Account
from latchstring_gateway.sessions.leases import OpenLease
from latchstring_gateway.store import keys

pytestmark = pytest.mark.store

_QUICK: dict[str, Any] = {"fence_seconds": 0.3, "last_known_good_seconds": 1.5}


@pytest.fixture
def valkey(own_valkey: Callable[[], Valkey]) -> Valkey:
    """A store to stop and freeze."""
    return own_valkey()


@pytest.fixture
async def worker(valkey: Valkey, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that bridges 1.5 s."""
    async with running_worker(settings_for(valkey.url, tmp_path, **_QUICK)) as running:
        yield running


def _is_patient(answer: httpx.Response) -> None:
    # 503, when to come back, and nothing taken away.
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    # A page for people, with the problem beside it.
    assert json.loads(answer.headers["x-latch-problem"])["code"] == "store_away"
    assert "store_away" in answer.text
    assert "set-cookie" not in answer.headers


async def test_good_leases_pass_within_last_known_good_then_wait_and_recover(worker: Worker, valkey: Valkey) -> None:
    """200, then 503 with Retry-After; never a 401, never a cleared cookie; whole again by itself."""
    jar = await worker.signed_in()
    seen: list[int] = []

    async def waits() -> bool:
        answer = await worker.navigate(jar)
        assert set_cookies(answer) == []
        seen.append(answer.status_code)
        return answer.status_code == 503

    valkey.stop()
    began = asyncio.get_running_loop().time()
    await wait_until_async(waits, "the bridge to end")
    bridged = asyncio.get_running_loop().time() - began
    _is_patient(await worker.navigate(jar))
    _is_patient(await worker.verify(jar))
    optional = await worker.navigate(jar, "/optional")
    ready = await worker.client.get("/health/ready")
    valkey.restart()

    async def passes() -> bool:
        seen.append((await worker.navigate(jar)).status_code)
        return seen[-1] == 200

    await wait_until_async(passes, "the worker to recover by itself")

    assert set(seen) == {200, 503}
    assert 1.0 < bridged < 2.5
    assert (optional.status_code, optional.headers["x-latch-account"]) == (200, ""), "what is public stays up"
    assert (ready.status_code, ready.json()["wrong"]) == (503, ["store"])
    assert (await worker.client.get("/health/ready")).status_code == 200


async def test_a_lease_that_was_over_at_the_last_contact_waits(worker: Worker, valkey: Valkey) -> None:
    """Only what was good then is bridged: an old cookie may have been revoked since. It is not refused either."""
    jar = await worker.signed_in()
    valkey.stop()

    _is_patient(await worker.navigate(worker.run_out(jar)))
    assert (await worker.navigate({**jar, SESSION: "junk"})).status_code == 303, "what is proved bad needs no store"
    assert (await worker.navigate(None)).status_code == 303


async def test_what_was_revoked_before_the_outage_stays_out_during_it(worker: Worker, valkey: Valkey) -> None:
    """The bridge carries nobody whose end this worker knows."""
    jar = await worker.signed_in()
    session = (await worker.verify(jar)).headers["x-latch-session"]
    await worker.api("DELETE", f"/v1/accounts/ada/sessions/{session}")
    valkey.stop()

    assert (await worker.verify(jar)).status_code in (401, 503)
    await wait_until_async(lambda: worker.rooms.feed.store_away, "the outage to be noticed")
    assert (await worker.verify(jar)).status_code == 401


async def test_with_the_rule_closed_nothing_is_bridged(valkey: Valkey, tmp_path: Path) -> None:
    """503 as soon as the fence has run out."""
    async with running_worker(settings_for(valkey.url, tmp_path, outage_rule="closed", **_QUICK)) as worker:
        jar = await worker.signed_in()
        valkey.stop()
        await wait_until_async(lambda: not worker.rooms.feed.holds(), "the fence to run out")

        _is_patient(await worker.navigate(jar))


async def test_a_worker_that_never_met_the_store_answers_503(valkey: Valkey, tmp_path: Path) -> None:
    """It knows no revocation, so it lets nobody in and refuses nobody; and it is not ready."""
    settings = settings_for(valkey.url, tmp_path, **_QUICK)
    async with running_worker(settings) as worker:
        jar = await worker.signed_in()
    valkey.stop()
    async with running_worker(settings, wait=False) as late:
        _is_patient(await late.navigate(jar))
        ready = await late.client.get("/health/ready")
        assert (await late.client.get("/health/live")).status_code == 200
        valkey.restart()
        await wait_until_async(late.rooms.feed.holds, "the worker to meet the store")

        assert ready.status_code == 503
        assert (await late.navigate(jar)).status_code == 200


async def test_signing_in_and_out_in_an_outage_is_503_and_takes_nothing(worker: Worker, valkey: Valkey) -> None:
    """A sign-out that cannot be kept says so and leaves the cookie; so does the API."""
    jar = await worker.signed_in()
    valkey.stop()

    out = await worker.client.post("/latch/sign-out", headers={"sec-fetch-site": "same-origin", "cookie": jar.header()})
    sign_in = await worker.sign_in()

    assert (out.status_code, set_cookies(out)) == (503, [])
    assert (sign_in.status_code, sign_in.json()["code"]) == (503, "store_away")
    assert int(sign_in.headers["retry-after"]) > 0


async def test_a_store_that_hangs_keeps_good_visitors_waiting_once_at_most(worker: Worker, valkey: Valkey) -> None:
    """Frozen, not gone: after the first time limit checks are answered at once from what was known."""
    jar = await worker.signed_in()
    valkey.freeze()
    await wait_until_async(lambda: worker.rooms.feed.store_away, "the silence to be noticed")
    began = asyncio.get_running_loop().time()

    statuses = [(await worker.navigate(jar)).status_code for _ in range(20)]

    assert set(statuses) <= {200, 503}
    assert asyncio.get_running_loop().time() - began < 1.0
    valkey.thaw()
    await wait_until_async(worker.rooms.feed.holds, "the worker to follow again")
    assert (await worker.navigate(jar)).status_code == 200


async def test_a_replica_left_behind_proves_nothing(worker: Worker, valkey: Valkey) -> None:
    """It does not know who signed in since, and in the first moment the worker's fence still holds: 503 and not 401.

    The script only reads before it says "unknown", which a server that may not write answers as well as any.
    """
    jar = await worker.signed_in()
    session = (await worker.verify(jar)).headers["x-latch-session"]
    with valkey.client() as client:
        client.delete(*client.keys(f"*session:{session}"))
        client.execute_command("REPLICAOF", "127.0.0.1", "1")

    over = await worker.navigate(worker.run_out(jar))
    removed = await worker.api("DELETE", f"/v1/accounts/ada/sessions/{session}")

    _is_patient(over)
    assert removed.status_code == 503


async def test_a_lease_that_was_over_was_let_in_by_any_fault(worker: Worker) -> None:
    """Last-known-good is for outages: a store that is there, crowded or answering with an error of ours, is none."""
    jar = await worker.signed_in()
    checker, lease = worker.rooms.checker, worker.lease(jar)
    contact_ms = worker.rooms.feed.links[keys.partition_of(Account(lease.account))].fence.contact_store_ms
    # Good at the last contact, and over a moment later; nothing is awaited from here on, so there is no other contact.
    over = replace(lease, issued_at_ms=contact_ms - 200_000, lease_end_ms=contact_ms + 1)
    opened = checker._leases.find(worker.seal(over).encode())
    time.sleep(0.01)

    assert isinstance(opened, OpenLease)
    assert not checker._is_running(opened)
    assert checker._may_bridge(opened)
    assert not checker._may_bridge(opened, is_outage=False)
