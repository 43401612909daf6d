"""P2: after a complete receipt nobody accepts the device again, and a partial one is true. Worker by worker."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import redis.asyncio

from harness.cluster_of_workers import Cluster, Flood, SignedIn, WorkerProcess, cluster_of_workers
from harness.loopback import loopback
from harness.service import running_service
from harness.waiting import wait_until_async

pytestmark = pytest.mark.store


async def _statuses(cluster: Cluster, who: SignedIn, workers: list[WorkerProcess]) -> list[int]:
    """What each worker says of one cookie to a check that begins now."""
    return [answer.status_code for answer in await asyncio.gather(*(cluster.check(w, who) for w in workers))]


@pytest.fixture
async def closed() -> AsyncIterator[Cluster]:
    """Two workers with the rule `closed`."""
    async with cluster_of_workers(2, outage_rule="closed") as cluster:
        yield cluster


async def test_removals_under_a_flood_are_certain_on_every_worker(closed: Cluster) -> None:
    """30 removals, checks flooding both workers: not one that began after a receipt is accepted on either."""
    for number in range(30):
        who = await closed.sign_in(f"account-{number}")
        async with Flood(closed, who) as flood:
            await wait_until_async(lambda: len(flood.accepted) >= 30, "the flood to pass")
            receipt = await closed.remove(who, closed.workers[number % 2])
            received = time.monotonic()
            await wait_until_async(lambda: flood.refused >= 30, "the flood to be refused")

            assert (receipt["status"], receipt["applied"], receipt["workers"]) == ("complete", 2, 2)
            assert flood.accepted_after(received) == []
            assert (flood.other, flood.unknown) == ([], 0)


async def test_checks_queued_at_a_frozen_worker_are_refused_when_it_thaws(closed: Cluster) -> None:
    """Rule closed: complete after the fence and a tenth; what was sent to the hanging worker afterwards is refused."""
    hanging, other = closed.workers
    for _ in range(3):
        who = await closed.sign_in("ada")
        assert await _statuses(closed, who, closed.workers) == [200, 200]

        hanging.freeze()
        try:
            receipt = await closed.remove(who, other)
            queued = [asyncio.create_task(closed.check(hanging, who)) for _ in range(20)]
            await asyncio.sleep(0.2)
        finally:
            hanging.thaw()

        assert (receipt["status"], receipt["applied"], receipt["workers"]) == ("complete", 1, 1)
        assert 1_100 <= receipt["elapsed_ms"] < 10_000
        assert {answer.status_code for answer in await asyncio.gather(*queued)} <= {303, 401}
        await closed.wait_registered(2)


async def _passes(cluster: Cluster, worker: WorkerProcess, who: SignedIn) -> bool:
    return (await cluster.check(worker, who)).status_code == 200


async def test_a_partial_receipt_is_true_and_becomes_complete_in_time() -> None:
    """Last-known-good: it names the hanging worker and the time; thawed with the store there, that one refuses at once.

    Frozen for longer than every time limit of its own, it must find out that it stalled and not take the store for
    away: bridging then would accept what was removed meanwhile.
    """
    async with cluster_of_workers(2, last_known_good_seconds="2.5") as cluster:
        hanging, other = cluster.workers
        for frozen_seconds in (0.0, 1.2):
            who = await cluster.sign_in("ada")
            assert await _statuses(cluster, who, cluster.workers) == [200, 200]
            hanging.freeze()
            try:
                receipt = await cluster.remove(who, other)
                await asyncio.sleep(frozen_seconds)
                while_frozen = await cluster.receipt(receipt["id"], other)
                queued = [asyncio.create_task(cluster.check(hanging, who)) for _ in range(10)]
                await asyncio.sleep(0.1)
            finally:
                hanging.thaw()

            assert receipt["status"] == while_frozen["status"] == "partial"
            assert [f".{hanging.pid}." in one["worker"] for one in receipt["missing"]] == [True]
            assert 0 < receipt["certain_at_ms"] - time.time() * 1000 < 2_750
            assert {answer.status_code for answer in await asyncio.gather(*queued)} <= {303, 401}

            async def is_complete(revocation: str = receipt["id"]) -> bool:
                return bool((await cluster.receipt(revocation, other))["status"] == "complete")

            # Before its time is over, for the thawed worker says so.
            await wait_until_async(is_complete, "the receipt to become complete")
            assert set(await _statuses(cluster, who, [hanging])) <= {303, 401}


async def test_a_worker_killed_without_a_supervisor_is_struck_by_patience(closed: Cluster) -> None:
    """Nobody saw it die: one revocation waits a fence for it, the following ones no more."""
    dead, other = closed.workers
    dead.kill9()

    receipts = [await closed.remove(await closed.sign_in("ada", other), other) for _ in range(3)]

    assert [receipt["status"] for receipt in receipts] == ["complete"] * 3
    assert receipts[0]["elapsed_ms"] >= 900
    assert receipts[2]["elapsed_ms"] < 1_000
    assert receipts[2]["workers"] == 1


async def test_a_worker_reaped_by_its_supervisor_is_waited_for_no_more(tmp_path: Path) -> None:
    """Under `latchstring serve` even the patient rule gives complete receipts soon after a worker was killed."""
    with running_service(tmp_path / "data") as service:
        credential = {"authorization": f"Bearer {service.command('service-keys', 'add', 'test')}"}
        victim = service.pid_of("worker-1")
        assert victim is not None
        os.kill(victim, signal.SIGKILL)

        async def is_complete() -> bool:
            body = {"account": "ada", "remember": True, "authenticated_at_ms": time.time_ns() // 1_000_000}
            async with loopback(base_url=service.url, timeout=60, headers=credential) as client:
                try:
                    device = (await client.post("/v1/sessions", json=body)).raise_for_status().json()["device"]["id"]
                    receipt = (await client.delete(f"/v1/accounts/ada/devices/{device}")).json()
                except httpx.TransportError:
                    return False
            return receipt["status"] == "complete" and not receipt["missing"]

        await wait_until_async(is_complete, "a complete receipt")


async def test_a_new_worker_never_accepts_what_was_removed_before_it_answered(closed: Cluster) -> None:
    """Devices are removed while a worker starts: it registers before it loads, and misses none."""
    asked: list[SignedIn] = [await closed.sign_in(f"account-{number}") for number in range(20)]
    removed: list[SignedIn] = []
    wrong: list[SignedIn] = []
    new = closed.start_worker()

    async def remove() -> None:
        for who in asked:
            assert (await closed.remove(who))["status"] == "complete"
            removed.append(who)
            await asyncio.sleep(0.05)

    async def ask() -> None:
        while len(removed) < len(asked):
            gone = list(removed)
            answers = await asyncio.gather(*(closed.check(new, who) for who in gone))
            wrong.extend(who for who, answer in zip(gone, answers, strict=True) if answer.status_code == 200)
            await asyncio.sleep(0.01)

    await asyncio.gather(remove(), ask())

    assert wrong == []
    assert await _statuses(closed, asked[0], [new]) == [303]
    assert (await closed.remove(await closed.sign_in("bob", new)))["workers"] == 3


async def test_killed_subscriptions_make_no_receipt_untrue(closed: Cluster) -> None:
    """Subscriptions are cut again and again in the middle of removals: each complete receipt still holds everywhere."""
    stop = False

    async def cut() -> None:
        async with redis.asyncio.Redis.from_url(closed.valkey.url) as client:
            while not stop:
                await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                await asyncio.sleep(0.02 + secrets.randbelow(300) / 1000)

    cutting = asyncio.create_task(cut())
    complete = 0
    try:
        for number in range(15):
            who = await closed.sign_in(f"account-{number}")
            receipt = await closed.remove(who, closed.workers[number % 2])
            if receipt["status"] == "complete":
                complete += 1
                assert 200 not in await _statuses(closed, who, closed.workers * 4)
    finally:
        stop = True
        await cutting

    assert complete >= 12


async def test_a_store_killed_in_the_middle_of_removals_brings_nobody_back(closed: Cluster) -> None:
    """Kill -9 of the store under a flood and removals: receipts stay true, sessions stay, nobody is signed out."""
    stays = await closed.sign_in("stays")
    gone: list[SignedIn] = []

    async with Flood(closed, stays) as flood:
        for _ in range(3):
            leaving = [await closed.sign_in(f"leaves-{number}") for number in range(5)]
            removing = [asyncio.create_task(closed.remove(who)) for who in leaving]
            await asyncio.sleep(0.002)
            await asyncio.to_thread(closed.valkey.kill9)
            await asyncio.to_thread(closed.valkey.restart)
            back = time.monotonic()
            ended = await asyncio.gather(*removing, return_exceptions=True)
            gone += [
                who
                for who, one in zip(leaving, ended, strict=True)
                if isinstance(one, dict) and one["status"] == "complete"
            ]
            before = len(flood.accepted)
            for worker in closed.workers:
                await wait_until_async(lambda w=worker: _passes(closed, w, stays), "the worker to follow again")
            assert time.monotonic() - back < 60
            await wait_until_async(lambda: len(flood.accepted) > before + 50, "the flood to pass again")  # noqa: B023
            for who in gone:
                assert 200 not in await _statuses(closed, who, closed.workers)

        assert (flood.refused, flood.cleared, flood.other) == (0, 0, [])
    again = [await closed.remove(await closed.sign_in("after")) for _ in range(2)]
    assert again[-1]["status"] == "complete"
