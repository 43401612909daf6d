"""P2 with two primaries at once: what one side of a partition may confirm, and whom the other side still trusts.

The partition is made of views: each worker is told of one primary only, and every server is real.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.evidence import Evidence, breaks, pick
from harness.following import Following
from harness.replicated import Server, replicated
from harness.waiting import wait_until, wait_until_async
from harness.worker_app import Worker, running_worker, settings_for
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.ids import Account
from latchstring_gateway.revocation.barrier import Barrier
from latchstring_gateway.revocation.certify import Certifier
from latchstring_gateway.revocation.receipt import WorkerRow
from latchstring_gateway.revocation.registry import RollCall
from latchstring_gateway.revocation.revoke import Revoker
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Replicas
from latchstring_gateway.tokens.keyfile import new_key
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.log_names import LogNames

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=600))]

_ROUNDS = pick(short=1, long=6)


@pytest.fixture
async def three() -> AsyncIterator[list[Server]]:
    """A primary and two replicas, none of them told to wait for anybody."""
    with replicated(replicas=2, guarded=False) as servers:
        yield servers


def _url(server: Server) -> str:
    return f"redis://127.0.0.1:{server.port}"


def _has_what_it_had(replica: Server, primary: Server) -> bool:
    """Whether the replica is in sync; offsets of two histories say nothing about each other."""
    had, has = _replication(primary), _replication(replica)
    follows = has["master_replid"] == had["master_replid"] and has.get("master_link_status") == "up"
    return follows and int(has["slave_repl_offset"]) >= int(had["master_repl_offset"])


def _replication(server: Server) -> dict[str, Any]:
    with server.client() as client:
        info: dict[str, Any] = client.info("replication")
    return info


async def test_of_two_primaries_only_one_confirms(evidence: Evidence, three: list[Server], tmp_path: Path) -> None:
    """An old primary, one of its replicas and a worker are cut off; the others promote the other replica.

    As long as the replica follows the old primary, that side trusts and the other side confirms nothing; once it has
    changed sides it is the other way round. A removal that is complete is refused on both.
    """
    old, new, between = three
    replicas = {"store_check_replicas": 1, "store_write_replicas": 1}
    if breaks("no-wait"):
        replicas = {"store_check_replicas": 0, "store_write_replicas": 0}
    violations: list[str] = []
    trials = 0
    for number in range(_ROUNDS):
        async with AsyncExitStack() as stack:
            settings = settings_for(_url(old), tmp_path / f"{number}", outage_rule="closed", **replicas)
            cut_off = await stack.enter_async_context(running_worker(settings))
            jar = await cut_off.signed_in()
            device = (await cut_off.api("GET", "/v1/accounts/ada/devices")).json()["devices"][0]["id"]
            wait_until(lambda: _has_what_it_had(new, old), "the replica to have it all")
            new.ask("REPLICAOF", "NO", "ONE")
            other_settings = settings.model_copy(update={"store": _url(new)})
            other = await stack.enter_async_context(
                running_worker(other_settings, wait=False, service_key=cut_off.service_key)
            )

            async def remove(other: Worker = other, device: str = device) -> int:
                answer = await other.api("DELETE", f"/v1/accounts/ada/devices/{device}", idempotency_key="once")
                return answer.status_code

            before = await remove()
            if before == 200:
                violations.append("the new primary confirmed although nobody follows it")
            trials += 1
            while before != 200 and (await cut_off.verify(jar)).status_code != 200:
                await asyncio.sleep(0.05)
            between.ask("REPLICAOF", "127.0.0.1", new.port)

            async def is_complete(remove: Any = remove) -> bool:
                return bool(await remove() == 200)

            await wait_until_async(is_complete, "a complete receipt")
            until = time.monotonic() + 2
            while time.monotonic() < until:
                trials += 1
                if (await cut_off.verify(jar)).status_code == 200:
                    violations.append("accepted after the receipt, by the primary that was left behind")
        await asyncio.to_thread(_make_one_again, old, new, between)
        evidence.progress(number + 1, _ROUNDS)

    evidence.row(
        promise="P2",
        tried="two primaries at once, and a replica that changes sides",
        trials=trials,
        violations=len(violations),
    )


def _make_one_again(primary: Server, *others: Server) -> None:
    for one in others:
        one.ask("REPLICAOF", "127.0.0.1", primary.port)
    primary.ask("FLUSHALL")
    wait_until(lambda: all(_has_what_it_had(one, primary) for one in others), "the replicas to follow again")


class _Hasty(Certifier):
    """Takes every server for the first one that there ever was."""

    async def _not_before_ms(self, settled_ms: int, roll: RollCall) -> int:
        return 0


async def test_a_worker_lost_by_a_fail_over_is_waited_for(evidence: Evidence, three: list[Server]) -> None:
    """Its row had reached one replica, and the other one was promoted: the revoker has never heard of it."""
    old, new, between = three
    violations = 0
    fence_ms = 4_000
    for number in range(_ROUNDS):
        first = _follower(_url(old), f"first.{number}.x", fence_ms, Replicas())
        await first.feed.start()
        await wait_until_async(first.feed.holds, "the store to have its first worker")
        await first.feed.close()
        await first.store.close()
        wait_until(lambda: _has_what_it_had(new, old), "the replica to have it all")
        # From here on nothing reaches it: what it lacks is what the fail-over loses.
        new.ask("REPLICAOF", "NO", "ONE")
        lost = _follower(_url(old), f"lost.{number}.x", fence_ms, Replicas(1, 1))
        await lost.feed.start()
        await wait_until_async(lost.feed.holds, "the worker to follow")
        old.freeze()
        barrier = Barrier()
        asker = _follower(_url(new), f"asker.{number}.x", fence_ms, Replicas(), heard=barrier.heard)
        ring = KeyRing((new_key(0, not_before_ms=0),), SystemClock())
        kind = _Hasty if breaks("no-epoch") else Certifier
        certifier = kind(asker.store, SystemClock(), asker.feed, barrier)
        revoker = Revoker(asker.store, SystemClock(), certifier, barrier, LogNames(ring), reply_to=asker.feed.worker)
        account = Account("ada")
        row = keys.device(keys.partition_of(account), "d")
        await asker.store.redis.hset(row, mapping={"account": account, "state": "active", "name": "TV", "kind": "tv"})
        await asker.feed.start()
        await wait_until_async(asker.feed.holds, "the revoker to follow")

        receipt = await revoker.revoke(account, [("device", "d")], reason="test")

        assert receipt.status == "complete"
        assert receipt.workers == 1, "nobody has heard of the other one"
        violations += lost.feed.holds() and not lost.knows("d")
        old.thaw()
        for one in (lost, asker):
            await one.feed.close()
            await one.store.close()
        await asyncio.to_thread(_make_one_again, old, new, between)
        evidence.progress(number + 1, _ROUNDS)

    evidence.row(
        promise="P2",
        tried="a fail-over that loses a worker's row while its fence holds",
        trials=_ROUNDS,
        violations=violations,
    )


def _follower(url: str, worker: str, fence_ms: int, replicas: Replicas, heard: Any = None) -> Following:
    one = Following(url, worker, SystemClock(), 1.0, heard, row=WorkerRow(fence_ms, "closed", 60_000, 0))
    one.store.replicas = replicas
    return one
