"""P2 on a Cluster: three masters with a replica each, fail-overs and moving slots, and a history that is checked."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from harness.cluster_of_workers import workers_on
from harness.evidence import Evidence, pick
from harness.history import History
from harness.replicated import Cluster, Server, cluster
from harness.waiting import wait_until_async

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=1_200))]

_MASTERS = 3
#: Moved at once: about three partitions in each of the ranges that there are at first.
_SLOTS = 200


async def _replaced(former: Server, heir: Server) -> None:
    await wait_until_async(lambda: heir.role() == "master", f"another master than {former.port}")


async def _kill(store: Cluster, master: Server) -> None:
    heir = store.replica_of(master)
    await asyncio.to_thread(master.kill9)
    await _replaced(master, heir)
    await asyncio.to_thread(master.restart)


async def _freeze(store: Cluster, master: Server) -> None:
    """It comes back while it still takes itself for the owner of its slots."""
    heir = store.replica_of(master)
    master.freeze()
    try:
        await _replaced(master, heir)
    finally:
        master.thaw()


async def _hand_over(store: Cluster, master: Server) -> None:
    """Both agree on it, and nothing is lost."""
    heir = store.replica_of(master)
    heir.ask("CLUSTER", "FAILOVER")
    await _replaced(master, heir)


async def _take_over(store: Cluster, master: Server) -> None:
    """Nobody is asked: until it hears of it, the former owner answers beside the new one."""
    heir = store.replica_of(master)
    heir.ask("CLUSTER", "FAILOVER", "TAKEOVER")
    await _replaced(master, heir)


async def _pause(_store: Cluster, master: Server) -> None:
    master.ask("CLIENT", "PAUSE", 1_500, "ALL")
    await asyncio.sleep(2)


async def _move_slots(store: Cluster, master: Server) -> None:
    """Some of its slots, with their keys, to the next master."""
    masters = store.masters()
    to = masters[(masters.index(master) + 1) % len(masters)]
    first, last = next((first, last) for first, last, owner, *_ in store.slots() if owner[1] == master.port)
    last = min(last, first + _SLOTS - 1)
    master.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", first, last, "NODE", str(to.ask("CLUSTER", "MYID")))

    def is_moved() -> bool:
        return any(owner[1] == to.port and begin <= first and last <= end for begin, end, owner, *_ in store.slots())

    await wait_until_async(is_moved, "the slots to be moved")


Fault = Callable[[Cluster, Server], Awaitable[None]]
FAULTS: tuple[Fault, ...] = (_kill, _freeze, _hand_over, _take_over, _pause, _move_slots)


@pytest.mark.parametrize("checks", pick(short=["0"], long=["0", "1"]))
async def test_no_receipt_is_broken_on_a_cluster(evidence: Evidence, tmp_path: Path, checks: str) -> None:
    """Workers answer checks while masters are killed, frozen, replaced and relieved of slots: every receipt is true.

    The master that holds the registry is met as often as the others together.
    """
    choice = random.Random(int(checks))
    rounds = pick(short=1, long=3)
    faults = pick(short=(_kill, _move_slots), long=FAULTS)
    settings = {"outage_rule": "closed", "store_check_replicas": checks, "store_write_replicas": "1"}
    with cluster(_MASTERS) as store:
        async with workers_on(store.url, 2, tmp_path, **settings) as workers:
            history = History(workers, seed=5)

            async def do_the_worst() -> None:
                for done in range(rounds):
                    for fault in choice.sample(faults, len(faults)):
                        registry = store.owner_of_registry()
                        others = [one for one in store.masters() if one is not registry]
                        await fault(store, choice.choice([registry, choice.choice(others)]))
                        await asyncio.to_thread(store.wait_settled, _MASTERS)
                        await history.goes_on()
                    evidence.progress(done + 1, rounds)

            await history.record(do_the_worst)

    print(history.told())
    evidence.row(
        promise="P2",
        tried="checks on a Cluster of 3 masters: killed, frozen, handed over, taken over, paused, slots moved",
        trials=history.checks,
        violations=len(history.violations()),
    )
