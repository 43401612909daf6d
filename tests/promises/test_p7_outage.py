"""P7: an outage of the store signs nobody out; both outage rules, on workers asked one by one. Times are scaled."""

import asyncio
import time

import httpx
import pytest

from harness.cluster_of_workers import Cluster, Flood, cluster_of_workers
from harness.waiting import wait_until_async

pytestmark = pytest.mark.store


async def _all_pass(flood: Flood, cluster: Cluster) -> None:
    """Return when every worker has accepted a check that began after this call."""
    since = time.monotonic()
    await wait_until_async(
        lambda: len({worker for _, worker in flood.accepted_after(since)}) == len(cluster.workers),
        "every worker to accept",
        5,
    )


async def test_last_known_good_stands_for_its_time_then_503_and_recovers() -> None:
    """A hanging store: 200 for the stated time, then 503 and quickly; after it all is well by itself."""
    async with cluster_of_workers(2, last_known_good_seconds="3") as cluster:
        who = await cluster.sign_in("ada")
        async with Flood(cluster, who, connections=4) as flood:
            await _all_pass(flood, cluster)
            cluster.valkey.freeze()
            frozen = time.monotonic()
            try:
                await asyncio.sleep(2.5)
                assert flood.unknown == 0
                await wait_until_async(lambda: flood.unknown > 20, "the stated time to be over")
                first_503 = time.monotonic() - frozen
                await asyncio.sleep(1.5)
                last_accepted = max(began for began, _ in flood.accepted) - frozen
            finally:
                cluster.valkey.thaw()
            back = time.monotonic()
            await _all_pass(flood, cluster)
            recovered = time.monotonic() - back
            await asyncio.sleep(0.3)

        print(f"first 503 {first_503:.2f} s, recovered {recovered:.2f} s, slowest {flood.slowest:.2f} s")
        assert (flood.refused, flood.cleared, flood.other) == (0, 0, [])
        assert last_accepted <= 3.1
        assert recovered < 60
        assert (await cluster.remove(who))["status"] == "complete"


async def test_the_rule_closed_answers_503_once_the_fence_is_over() -> None:
    """Nothing is accepted without the store, and still nobody is signed out."""
    async with cluster_of_workers(2, outage_rule="closed") as cluster:
        who = await cluster.sign_in("ada")
        async with Flood(cluster, who, connections=4) as flood:
            await _all_pass(flood, cluster)
            cluster.valkey.freeze()
            frozen = time.monotonic()
            try:
                await wait_until_async(lambda: flood.unknown > 0, "the fence to be over")
                await asyncio.sleep(1)
            finally:
                cluster.valkey.thaw()
            thawed = time.monotonic()
            await _all_pass(flood, cluster)
            recovered = time.monotonic() - thawed

        # A check that waited for the store and got its answer after the thaw rests on the store.
        assert [one for one in flood.accepted if frozen + 1.1 < one[0] < thawed - 2.5] == []
        assert (flood.refused, flood.cleared, flood.other) == (0, 0, [])
        assert recovered < 60


async def test_a_removal_just_before_an_outage_holds_through_it() -> None:
    """What every worker had applied stays refused while it bridges; others stay signed in."""
    async with cluster_of_workers(2, last_known_good_seconds="30") as cluster:
        stays, leaves = await cluster.sign_in("ada"), await cluster.sign_in("ada")
        async with Flood(cluster, stays) as staying, Flood(cluster, leaves) as leaving:
            await _all_pass(staying, cluster)
            await _all_pass(leaving, cluster)
            receipt = await cluster.remove(leaves)
            received = time.monotonic()
            await asyncio.to_thread(cluster.valkey.kill9)
            await asyncio.sleep(2.5)
            await _all_pass(staying, cluster)
            await asyncio.to_thread(cluster.valkey.restart)
            await asyncio.sleep(1.5)
            await _all_pass(staying, cluster)

        assert receipt["status"] == "complete"
        assert leaving.accepted_after(received) == []
        assert (staying.refused, staying.unknown, staying.cleared, staying.other) == (0, 0, 0, [])


async def test_a_worker_that_starts_without_its_store_says_503_until_it_is_there() -> None:
    """It has loaded nothing and can vouch for nobody; then it joins by itself."""
    async with cluster_of_workers(1) as cluster:
        who = await cluster.sign_in("ada")
        await asyncio.to_thread(cluster.valkey.kill9)
        new = cluster.start_worker()

        async def answers() -> bool:
            try:
                return (await cluster.check(new, who, timeout_seconds=5)).status_code == 503
            except (OSError, httpx.TransportError):
                return False

        await wait_until_async(answers, "the new worker to answer")
        assert (await cluster.check(cluster.workers[0], who)).status_code == 200
        await asyncio.to_thread(cluster.valkey.restart)

        async def passes() -> bool:
            return (await cluster.check(new, who)).status_code == 200

        await wait_until_async(passes, "the new worker to accept")
        await cluster.wait_registered(2)
