"""P2 in a planned fail-over: what was answered as done is done on whichever replica is promoted.

`SENTINEL FAILOVER` of a primary that is well: it goes on taking writes, and the other replica goes on confirming them,
for as long as nobody has told them. What only that other replica has is lost when it changes sides.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest
import redis

from harness.cluster_of_workers import WorkerProcess, Workers, workers_on
from harness.evidence import Evidence, breaks, pick
from harness.replicated import Cluster, Sentinels, Server, cluster, sentinels
from harness.waiting import wait_until_async
from latchstring_gateway.ids import Account
from latchstring_gateway.store import keys

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=1_800))]

_ROUNDS = pick(short=2, long=12)
#: Sign-ins and disablings under way at once.
_AT_ONCE = 8


@dataclass
class _Told:
    """What was answered: sessions begun (201), and accounts disabled by a complete receipt."""

    sessions: list[tuple[str, str]] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)
    refused: int = 0

    @property
    def trials(self) -> int:
        """How many answers are held against the store."""
        return len(self.sessions) + len(self.disabled)

    def lost(self, server_of: Callable[[int], redis.Redis]) -> list[str]:
        """Whatever of it the store does not have."""
        lost: list[str] = []
        for account, session in self.sessions:
            partition = keys.partition_of(Account(account))
            if not server_of(partition).exists(keys.session(partition, session)):
                lost.append(f"the sign-in of {account}")
        accounts = [Account(account) for account in self.disabled]
        return lost + [
            f"the disabling of {account}"
            for account in accounts
            if not server_of(keys.partition_of(account)).hexists(keys.account(account), "disabled")
        ]


async def _sign_in_and_disable(workers: Workers, told: _Told, stop: asyncio.Event, lane: int) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        worker: WorkerProcess = workers.workers[number % len(workers.workers)]
        account = f"{lane}-{number}-{time.monotonic_ns()}"
        try:
            who = await workers.sign_in(account, worker)
            told.sessions.append((account, who.session))
            answer = await workers.call(worker, "POST", f"/v1/accounts/{account}/disable", timeout=5)
            if answer.status_code == 200:
                told.disabled.append(account)
            assert answer.status_code in (200, 202, 503), answer.text
        except (httpx.HTTPError, OSError):
            told.refused += 1
            await asyncio.sleep(0.02)


async def _tell_while(workers: Workers, act: Callable[[], Awaitable[None]]) -> _Told:
    told, stop = _Told(), asyncio.Event()
    lanes = [asyncio.create_task(_sign_in_and_disable(workers, told, stop, lane)) for lane in range(_AT_ONCE)]
    try:
        await act()
        before = len(told.disabled)
        await wait_until_async(lambda: len(told.disabled) > before, "receipts to go on", 40)
    finally:
        stop.set()
        await asyncio.gather(*lanes)
    return told


def _settings(replicas: int) -> dict[str, str]:
    fewer = breaks("one-replica-confirms") and replicas > 1
    return {"outage_rule": "closed"} | ({"store_write_replicas": "1"} if fewer else {})


@pytest.mark.parametrize("coordinated", [False, True], ids=["at-once", "coordinated"])
async def test_a_planned_fail_over_loses_nothing_that_was_answered(
    evidence: Evidence, tmp_path: Path, coordinated: bool
) -> None:
    """54 of 247 disablings answered complete were gone after `SENTINEL FAILOVER`: one replica of two had confirmed.

    The Sentinels promoted the other one. All replicas confirm now; with Valkey 9, COORDINATED besides.
    """
    lost: list[str] = []
    trials = 0
    with sentinels(replicas=2) as store:
        async with workers_on(store.url, 2, tmp_path, **_settings(2)) as workers:

            async def fail_over() -> None:
                former = store.primary()
                await asyncio.sleep(0.3)
                await asyncio.to_thread(store.fail_over, coordinated=coordinated)
                await asyncio.to_thread(store.wait_settled, former)

            for number in range(_ROUNDS):
                told = await _tell_while(workers, fail_over)
                await asyncio.to_thread(_wait_whole, store)
                lost += _lost_on_the_primary(store, told)
                trials += told.trials
                evidence.progress(number + 1, _ROUNDS)
    print(f"{trials} answers, lost: {len(lost)}", *lost[:20], sep="\n")
    evidence.row(
        promise="P2",
        tried="planned fail-overs by Sentinel while accounts sign in and are disabled: nothing answered is lost",
        trials=trials,
        violations=len(lost),
    )


def _lost_on_the_primary(store: Sentinels, told: _Told) -> list[str]:
    with store.primary().client() as client:
        return told.lost(lambda _partition: client)


def _wait_whole(store: Sentinels) -> None:
    """Return when the former primary follows, too: the next round needs both replicas."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        with store.primary().client() as client:
            if int(client.info("replication")["connected_slaves"]) == len(store.servers) - 1:
                return
        time.sleep(0.05)
    raise AssertionError("the former primary never followed")


async def test_a_hand_over_on_a_cluster_loses_nothing_that_was_answered(evidence: Evidence, tmp_path: Path) -> None:
    """`CLUSTER FAILOVER` waits for the replica to have everything; and a master that dies has told its only replica."""
    lost: list[str] = []
    trials = 0
    with cluster(masters=3) as store:
        async with workers_on(store.url, 2, tmp_path, **_settings(1)) as workers:
            for number, act in enumerate((_hand_over, _kill) * pick(short=1, long=4)):

                async def replace(act: Callable[[Cluster], Awaitable[None]] = act) -> None:
                    await asyncio.sleep(0.3)
                    await act(store)
                    await asyncio.to_thread(store.wait_settled, 3)

                told = await _tell_while(workers, replace)
                lost += await asyncio.to_thread(_lost_on, store, told)
                trials += told.trials
                evidence.progress(number + 1, pick(short=2, long=8))
    print(f"{trials} answers, lost: {len(lost)}", *lost[:20], sep="\n")
    evidence.row(
        promise="P2",
        tried="masters of a Cluster handed over and killed while accounts sign in and are disabled: nothing is lost",
        trials=trials,
        violations=len(lost),
    )


async def test_a_take_over_on_a_cluster_loses_nothing_that_was_answered(evidence: Evidence, tmp_path: Path) -> None:
    """`CLUSTER FAILOVER TAKEOVER` asks nobody, and any of two replicas may be told it, also the one that lags behind.

    It may also win a vote while the other is cut off from the voters. Nothing is answered that only one of them has.
    """
    lost: list[str] = []
    trials = 0
    with cluster(masters=1, replicas=2) as store:
        async with workers_on(store.url, 2, tmp_path, **_settings(2)) as workers:

            async def take_over() -> None:
                await asyncio.sleep(0.3)
                heir = next(one for one in store.servers if one.role() == "slave")
                with heir.client() as client:
                    client.ping()
                    await _lag_behind(store, heir, partial(client.execute_command, "CLUSTER", "FAILOVER", "TAKEOVER"))
                await wait_until_async(lambda: heir.role() == "master", "the replica to have taken over", 30)
                await asyncio.to_thread(store.wait_settled, 1)

            for number in range(_ROUNDS):
                told = await _tell_while(workers, take_over)
                lost += await asyncio.to_thread(_lost_on, store, told)
                trials += told.trials
                evidence.progress(number + 1, _ROUNDS)
    print(f"{trials} answers, lost: {len(lost)}", *lost[:20], sep="\n")
    evidence.row(
        promise="P2",
        tried="a Cluster's master replaced by any of two replicas while accounts sign in and are disabled",
        trials=trials,
        violations=len(lost),
    )


async def _lag_behind(store: Cluster, heir: Server, command: Callable[[], object]) -> None:
    """Have it read the command before most of what its master has written for a while."""
    heir.freeze()
    try:
        # More than a server reads of one connection before it looks at the others.
        (master,) = store.masters()
        master.ask("SET", "filler", "x" * 500_000)
        await asyncio.sleep(0.8)
        commanded = asyncio.create_task(asyncio.to_thread(command))
        await asyncio.sleep(0.05)
    finally:
        heir.thaw()
    await commanded


async def _hand_over(store: Cluster) -> None:
    master = store.owner_of_registry()
    heir = store.replica_of(master)
    heir.ask("CLUSTER", "FAILOVER")
    await wait_until_async(lambda: heir.role() == "master", "the replica to have taken over", 30)


async def _kill(store: Cluster) -> None:
    master = store.owner_of_registry()
    heir = store.replica_of(master)
    await asyncio.to_thread(master.kill9)
    await wait_until_async(lambda: heir.role() == "master", "the replica to have taken over", 30)
    await asyncio.to_thread(master.restart)


def _lost_on(store: Cluster, told: _Told) -> list[str]:
    by_port: dict[int, Server] = {one.port: one for one in store.servers}
    ranges = [(first, last, by_port[owner[1]].client()) for first, last, owner, *_ in store.slots()]
    try:
        slots = {p: int(ranges[0][2].execute_command("CLUSTER", "KEYSLOT", keys.home(p))) for p in range(256)}

        def server_of(partition: int) -> redis.Redis:
            return next(client for first, last, client in ranges if first <= slots[partition] <= last)

        return told.lost(server_of)
    finally:
        for _first, _last, client in ranges:
            client.close()
