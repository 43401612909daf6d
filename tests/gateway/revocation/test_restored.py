"""Noticing a store that was put back from a backup: nobody trusts it until the operator speaks."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from harness.put_back import Stand, wait_distrusted, wait_seen
from harness.valkey import Valkey
from harness.waiting import wait_until_async
from harness.worker_app import SESSION, Jar, Worker, now_ms
from latchstring_gateway.revocation.restored import Memory
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store


@pytest.fixture
def stand(own_valkey: Callable[[], Valkey], tmp_path: Path) -> Stand:
    """See the class."""
    return Stand(own_valkey(), tmp_path)


async def _removed(worker: Worker) -> Jar:
    """A browser whose device is removed with a complete receipt."""
    jar = await worker.signed_in("removed")
    (device,) = (await worker.api("GET", "/v1/accounts/removed/devices")).json()["devices"]
    await wait_seen(worker)
    return Jar({**jar, "device": device["id"]})


@pytest.mark.parametrize("worker_is", ["the same", "a new one of the node", "a new one, the store stopped cleanly"])
async def test_nobody_trusts_a_store_that_was_put_back(stand: Stand, worker_is: str) -> None:
    """503 and no cookie touched, until the operator speaks; then what was removed is out for good."""
    async with contextlib.AsyncExitStack() as stack:
        worker = await stack.enter_async_context(stand.worker())
        service_key = worker.service_key
        removed, other = await _removed(worker), await worker.signed_in("other")
        if worker_is.endswith("cleanly"):
            # A backup made while nobody is at work has no pulses in it.
            await stack.aclose()
            stand.back_up()
            worker = await stack.enter_async_context(stand.worker())
            worker.service_key = service_key
        else:
            stand.back_up()
        receipt = await worker.api("DELETE", f"/v1/accounts/removed/devices/{removed['device']}")
        await wait_seen(worker)
        if worker_is != "the same":
            await stack.aclose()
        await stand.put_back()
        if worker_is != "the same":
            worker = await stack.enter_async_context(stand.worker(wait=False))
            worker.service_key = service_key
        await wait_distrusted(worker)

        while_distrusted = [await worker.navigate(worker.run_out(jar)) for jar in (removed, other)]
        done = await asyncio.to_thread(stand.command, "--backup-time", str(stand.backup_ms), "--json")
        await wait_until_async(worker.rooms.feed.holds, "the worker to trust the store again")
        afterwards = [await worker.verify(worker.run_out(jar)) for jar in (removed, other)]

        assert receipt.json()["status"] == "complete"
        # The worker that was there still knows of the removal itself.
        assert [answer.status_code for answer in while_distrusted] == [303 if worker_is == "the same" else 503, 503]
        assert "set-cookie" not in while_distrusted[1].headers
        assert (done.returncode, json.loads(done.stdout)["noticed"]) == (0, True), done.stderr
        assert [answer.status_code for answer in afterwards] == [401, 401]
        assert (await worker.verify(await worker.signed_in("other"))).status_code == 200
        assert (await worker.client.get("/health/ready")).status_code == 200


async def test_a_worker_without_a_memory_is_told_by_a_token(stand: Stand) -> None:
    """A new node beside a restored store: the first cookie from the lost time gives it away, and stays as it is."""
    async with stand.worker() as worker:
        stand.back_up()
        lost = await worker.signed_in("lost")
        lease = worker.lease(lost)
    await stand.put_back()

    async with stand.worker(node="two") as worker:
        # Half a minute before the store was started again: the copy is as if made a minute before.
        issued_ms = lease.issued_at_ms - 30_000
        ran_out = Jar(
            {**lost, SESSION: worker.seal(replace(lease, issued_at_ms=issued_ms, lease_end_ms=issued_ms + 1))}
        )
        first = await worker.navigate(ran_out)
        await wait_distrusted(worker)

        assert first.status_code == 503
        assert "set-cookie" not in first.headers


async def test_a_cookie_given_out_before_the_first_heartbeat_is_no_proof(stand: Stand) -> None:
    """The store was away for a minute, and a sign-in came to it before any heartbeat: its cookie closed the website.

    It was issued between the store's last memory and the epoch's stamp, as only a lost one should be.
    """
    async with stand.worker() as worker:
        jar = await worker.signed_in()
        lease = worker.lease(jar)
    with stand.valkey.client() as client:
        client.hset(keys.DEPLOYMENT, mapping={"run_id": "another", "pulse_ms": now_ms() - 60_000})

    async with stand.worker(node="two") as worker:
        stamp_ms = worker.rooms.feed.registry_link.epoch_stamp_ms
        early = replace(lease, issued_at_ms=stamp_ms - 150, lease_end_ms=stamp_ms)
        answer = await worker.navigate(Jar({**jar, SESSION: worker.seal(early)}))

        assert stamp_ms > lease.issued_at_ms
        assert answer.status_code == 200
        assert (await worker.client.get("/health/ready")).status_code == 200


async def test_what_one_node_finds_out_every_node_heeds(stand: Stand) -> None:
    """One that has never seen this store before stops trusting it as soon as another has looked."""
    async with stand.worker() as worker:
        stand.back_up()
        await wait_seen(worker)
    await stand.put_back()

    async with stand.worker(node="two") as amnesiac:
        trusted_at_first = amnesiac.rooms.feed.holds()
        async with stand.worker(wait=False):
            await wait_distrusted(amnesiac)

        assert trusted_at_first
    await asyncio.to_thread(stand.valkey.restart)
    async with stand.worker(node="three", wait=False) as late:
        await wait_distrusted(late)


async def test_a_restart_and_a_small_loss_need_no_operator(stand: Stand) -> None:
    """A crash of the store, and a copy that lacks less than a fail-over may lose, are survived as ever."""
    async with stand.worker() as worker:
        jar = await worker.signed_in()
        for blow in ("crash", "loss"):
            if blow == "crash":
                stand.valkey.kill9()
                await asyncio.to_thread(stand.valkey.restart)
            else:
                stand.back_up()
                await stand.put_back(age_ms=0)
            epoch = worker.rooms.feed.registry_link.epoch
            await wait_until_async(lambda before=epoch: worker.rooms.feed.registry_link.epoch > before, "the new epoch")
            await wait_until_async(worker.rooms.feed.holds, "the worker to follow the store")

            assert (await worker.verify(worker.run_out(jar))).status_code == 200
            assert not worker.rooms.memory.found


@pytest.mark.parametrize("content", [b"", b"\xff", b"12x", b"-", b"17"])
async def test_a_memory_never_goes_back_and_survives_a_torn_file(stand: Stand, tmp_path: Path, content: bytes) -> None:
    """A frozen worker of the same node may wake up with an older one."""
    path = tmp_path / "seen"
    path.write_bytes(content)
    store = Store(stand.valkey.url)
    first, frozen = Memory(store, path), Memory(store, path)

    first.remember(2_000)
    frozen.remember(1_000)
    first.remember(1_500)

    assert path.read_text().split()[0] == "2000"
    await store.close()
