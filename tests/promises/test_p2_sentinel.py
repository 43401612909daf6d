"""P2 on a replicated store: real Valkey, three Sentinels, fail-overs of every kind, and a history that is checked."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from harness.cluster_of_workers import workers_on
from harness.evidence import Evidence, pick
from harness.history import History
from harness.replicated import Sentinels, Server, sentinels

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=1_200))]


async def _settled(store: Sentinels, former: Server | None = None) -> None:
    await asyncio.to_thread(store.wait_settled, former)


async def _kill_primary(store: Sentinels) -> None:
    former = store.primary()
    await asyncio.to_thread(former.kill9)
    await _settled(store, former)
    await asyncio.to_thread(former.restart)


async def _freeze_primary(store: Sentinels) -> None:
    """It comes back while it still takes itself for the primary."""
    former = store.primary()
    former.freeze()
    try:
        await _settled(store, former)
    finally:
        former.thaw()


async def _fail_over(store: Sentinels) -> None:
    """The former primary is well, goes on answering, and is demoted only later."""
    former = store.primary()
    store.fail_over()
    await _settled(store, former)


async def _pause_primary(store: Sentinels) -> None:
    store.primary().ask("CLIENT", "PAUSE", 1_500, "ALL")
    await asyncio.sleep(2)


async def _freeze_a_replica(store: Sentinels) -> None:
    """The other one confirms; then that one is frozen, too, and nothing is confirmed."""
    first, second = store.replicas()
    first.freeze()
    await asyncio.sleep(1)
    second.freeze()
    try:
        await asyncio.sleep(1.5)
    finally:
        first.thaw()
        second.thaw()


FAULTS: tuple[Callable[[Sentinels], Awaitable[None]], ...] = (
    _freeze_primary,
    _fail_over,
    _kill_primary,
    _pause_primary,
    _freeze_a_replica,
)


@pytest.mark.parametrize("rule", pick(short=["closed"], long=["closed", "last-known-good"]))
async def test_no_receipt_is_broken_by_a_fail_over(evidence: Evidence, tmp_path: Path, rule: str) -> None:
    """Three workers answer checks while the primary is killed, frozen, paused and replaced: every receipt is true.

    After each fault, receipts and acceptances go on by themselves. At the end the store is emptied, too.
    """
    choice = random.Random(rule)
    rounds = pick(short=1, long=3)
    faults = pick(short=(_freeze_primary, _kill_primary, _freeze_a_replica), long=FAULTS)
    settings = {"outage_rule": rule, "last_known_good_seconds": "4"}
    with sentinels() as store:
        async with workers_on(store.url, 3, tmp_path, **settings) as workers:
            history = History(workers, seed=4)

            async def do_the_worst() -> None:
                for done in range(rounds):
                    for fault in choice.sample(faults, len(faults)):
                        await fault(store)
                        await _settled(store)
                        await history.goes_on()
                    evidence.progress(done + 1, rounds)
                history.store_was_emptied = True
                store.primary().ask("FLUSHALL")

            await history.record(do_the_worst)

    print(history.told())
    evidence.row(
        promise="P2",
        tried="checks while Sentinels fail over: primary killed, frozen, paused, replaced; replicas frozen; emptied",
        trials=history.checks,
        violations=len(history.violations()),
    )
