"""P2 and P7 from outside: a TCP forwarder of the test's own between two nodes and their store, with every fault it can
make, while devices are removed and every worker is asked all the time.

Nobody stops following, nothing is answered 500, every receipt becomes complete, and no check that began after a
complete receipt is accepted, by either outage rule.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from harness.cluster_of_workers import Flood, SignedIn, WorkerProcess, Workers, workers_behind
from harness.evidence import Evidence, pick
from harness.forwarder import FAULTS, Fault, Forwarder, forwarder_to
from harness.valkey import Valkey
from harness.waiting import wait_until_async

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=240, long=1_500))]

_LAST_KNOWN_GOOD_SECONDS = 2.0
#: How long a fault lasts: shorter and longer than a fence, and than the store's time limit.
_LASTS_SECONDS = pick(short=(0.3, 2.2), long=(0.3, 5.0))
#: Within this, after the last fault, everybody follows and every receipt is complete. Far above what it takes.
_SETTLES_SECONDS = 30.0
#: How long checks go on after a complete receipt; in the long profile longer than the longest bridge.
_AFTERWARDS_SECONDS = pick(short=0.4, long=2.5)


@dataclass
class Drill:
    """Two nodes of two workers, each node behind a forwarder of its own, and what went wrong so far."""

    nodes: list[Workers]
    forwarders: list[Forwarder]
    chance: Random
    wrong: list[str] = field(default_factory=list)
    receipts: int = 0

    @property
    def workers(self) -> list[WorkerProcess]:
        """All four."""
        return [worker for node in self.nodes for worker in node.workers]

    @property
    def all(self) -> Workers:
        """The workers of both nodes, asked as those of one."""
        return Workers(self.workers, self.nodes[0].env, self.nodes[0].credential)

    async def remove(self, who: SignedIn, by: WorkerProcess, key: str) -> dict[str, Any]:
        """Remove a device, again and again with one key, until there is a receipt."""
        deadline = time.monotonic() + _SETTLES_SECONDS
        url = f"/v1/accounts/{who.account}/devices/{who.device}"
        while time.monotonic() < deadline:
            try:
                answer = await self.all.call(by, "DELETE", url, headers={"idempotency-key": key})
            except httpx.TransportError as fault:
                self.wrong.append(f"removing: {fault!r}")
            else:
                if answer.status_code in (200, 202):
                    return dict(answer.json())
                if answer.status_code != 503:
                    self.wrong.append(f"removing: {answer.status_code} {answer.text}")
            await asyncio.sleep(0.1)
        self.wrong.append("removing: no receipt")
        return {"id": "", "status": "none"}

    async def settle(self, receipt: dict[str, Any], by: WorkerProcess) -> bool:
        """Ask for the receipt until it is complete."""
        deadline = time.monotonic() + _SETTLES_SECONDS
        while receipt["status"] != "complete":
            if receipt["status"] == "partial" and not receipt["missing"]:
                self.wrong.append("a partial receipt names nobody")
            if time.monotonic() > deadline:
                self.wrong.append(f"never complete: {receipt}")
                return False
            await asyncio.sleep(0.1)
            answer = await self.all.call(by, "GET", f"/v1/revocations/{receipt['id']}")
            if answer.status_code in (200, 202):
                receipt = answer.json()
            elif answer.status_code != 503:
                self.wrong.append(f"asking: {answer.status_code} {answer.text}")
                return False
        self.receipts += 1
        return True

    async def follow_again(self) -> None:
        """Everybody confirms a removal, and says that they are ready."""

        async def is_acknowledged() -> bool:
            receipt = await self.all.remove(await self.all.sign_in("nobody", self.workers[0]), self.workers[0])
            return (receipt["applied"], receipt["workers"]) == (4, 4)

        try:
            await wait_until_async(lambda: _quietly(is_acknowledged()), "four workers to follow", _SETTLES_SECONDS)
            for worker in self.workers:
                await self.all.wait_following(worker, _SETTLES_SECONDS)
        except AssertionError as late:
            self.wrong.append(f"somebody stopped following: {late}")


async def _quietly(asked: Any) -> bool:
    """Whether it is so; a store that is not back yet is no answer."""
    try:
        return bool(await asked)
    except (AssertionError, httpx.HTTPError):
        return False


@asynccontextmanager
async def _two_nodes(rule: str, chance: Random) -> AsyncIterator[Drill]:
    directory = Path(tempfile.mkdtemp(prefix="latch-"))
    valkey = Valkey(directory)
    settings = {
        "outage_rule": rule,
        "last_known_good_seconds": str(_LAST_KNOWN_GOOD_SECONDS),
        "keys_file": str(directory / "one" / "keys.json"),
    }
    try:
        async with AsyncExitStack() as stack:
            drill = Drill([], [], chance)
            for name in ("one", "two"):
                (directory / name).mkdir()
                forwarder = await stack.enter_async_context(forwarder_to(Path(valkey.url.removeprefix("unix://"))))
                node = workers_behind(forwarder.url, valkey.url, 2, directory / name, **settings)
                drill.forwarders.append(forwarder)
                drill.nodes.append(await stack.enter_async_context(node))
            await drill.all.wait_registered(4)
            yield drill
    finally:
        valkey.close()
        shutil.rmtree(directory)


async def _round(drill: Drill, fault: Fault, number: int) -> int:
    """Remove one device while a fault lasts; how many checks of it began after the complete receipt."""
    chance = drill.chance
    who = await drill.all.sign_in(f"visitor-{number}", chance.choice(drill.workers))
    struck = drill.forwarders if chance.random() < 0.3 else [chance.choice(drill.forwarders)]
    by = chance.choice(drill.workers)
    async with Flood(drill.all, who, connections=1, pause_seconds=0.005) as flood:
        await wait_until_async(lambda: len({one for _, one in flood.accepted}) == 4, "every worker to accept", 20)
        for forwarder in struck:
            forwarder.inflict(fault, delay_seconds=chance.uniform(0.05, 0.6))
        lasts = chance.uniform(*_LASTS_SECONDS)
        before = chance.uniform(0, lasts)
        await asyncio.sleep(before)
        removing = asyncio.create_task(drill.remove(who, by, f"drill-{number}"))
        await asyncio.sleep(lasts - before)
        for forwarder in struck:
            forwarder.heal()
        receipt = await removing
        settled = await drill.settle(receipt, by)
        complete_at, answered = time.monotonic(), flood.refused + flood.unknown
        await asyncio.sleep(_AFTERWARDS_SECONDS)
        accepted = flood.accepted_after(complete_at)
        if settled and accepted:
            drill.wrong.append(f"{len(accepted)} checks accepted after a complete receipt: {fault}")
        if flood.other or (flood.cleared and not settled):
            drill.wrong.append(f"answered {sorted(set(flood.other))}: {fault}")
    await drill.follow_again()
    return flood.refused + flood.unknown - answered + len(accepted)


@pytest.mark.parametrize("rule", ["closed", "last-known-good"])
async def test_whatever_lies_between_nodes_and_store_receipts_are_true_and_settle(
    rule: str, evidence: Evidence
) -> None:
    """Delay, one direction held, bells held, reset, truncated, accepted and closed; one node or both of them."""
    chance = Random(7)
    rounds = checks = 0
    async with _two_nodes(rule, chance) as drill:
        for number in evidence.trials(pick(short=len(FAULTS), long=1_000), seconds=420):
            checks += await _round(drill, FAULTS[number % len(FAULTS)], number)
            rounds += 1
        met = sum(forwarder.met for forwarder in drill.forwarders)

    print(f"{rule}: {rounds} faults, {drill.receipts} receipts, {checks} checks after them, {met} pieces met")
    print("\n".join(drill.wrong[:20]))
    assert met > rounds
    evidence.row(
        promise="P2",
        tried="a forwarder between two nodes and the store, that delays, holds, resets and cuts: receipts settle and "
        "are true, nobody stops following",
        trials=checks,
        violations=len(drill.wrong),
    )
