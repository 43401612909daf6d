"""The act of forgetting, by a real worker on a real store."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from harness.following import Following
from harness.valkey import Valkey
from harness.waiting import wait_until_async
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.errors import BadRequest, Conflict, NotFound, StoreAway
from latchstring_gateway.ids import Account
from latchstring_gateway.revocation import registry
from latchstring_gateway.revocation.barrier import Barrier
from latchstring_gateway.revocation.certify import Certifier
from latchstring_gateway.revocation.receipt import WorkerRow
from latchstring_gateway.revocation.revoke import SLICE, Revoker, Target
from latchstring_gateway.store import keys
from latchstring_gateway.tokens.keyfile import new_key
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.log_names import LogNames

pytestmark = pytest.mark.store

_ADA = Account("ada@example.com")


class Stand:
    """One worker that revokes."""

    def __init__(self, url: str, timeout_seconds: float = 1.0) -> None:
        self.barrier = Barrier()
        self.following = Following(url, "asker.1.x", SystemClock(), timeout_seconds, heard=self.barrier.heard)
        self.store, self.feed = self.following.store, self.following.feed
        ring = KeyRing((new_key(0, not_before_ms=0),), SystemClock())
        certifier = Certifier(self.store, SystemClock(), self.feed, self.barrier)
        self.revoker = Revoker(self.store, SystemClock(), certifier, self.barrier, LogNames(ring), reply_to="asker.1.x")

    async def add_device(self, device: str) -> None:
        """Register a device of Ada's, as a sign-in would."""
        row = keys.device(keys.partition_of(_ADA), device)
        await self.store.redis.hset(row, mapping={"account": _ADA, "state": "active", "name": "TV", "kind": "tv"})
        await self.store.redis.sadd(keys.devices(_ADA), device)

    async def close(self) -> None:
        """Say goodbye."""
        await self.revoker.close()
        await self.feed.close()
        await self.store.close()


@pytest.fixture
async def stand(store_url: str) -> AsyncIterator[Stand]:
    """A worker that follows the shared store."""
    one = Stand(store_url)
    await one.feed.start()
    await wait_until_async(one.feed.holds, "the worker to follow")
    yield one
    await one.close()


async def test_a_removed_device_is_dead_everywhere_at_once(stand: Stand) -> None:
    """Records, stream, replica and outbox all know it when the receipt is here; it is durable."""
    await stand.add_device("d")

    receipt = await stand.revoker.revoke(_ADA, [("device", "d")], reason="test")

    partition = keys.partition_of(_ADA)
    assert (receipt.status, receipt.applied, receipt.workers, receipt.durable) == ("complete", 1, 1, True)
    assert stand.following.knows("d")
    assert await stand.store.redis.hget(keys.device(partition, "d"), "state") == "removed"
    assert await stand.store.redis.smembers(keys.devices(_ADA)) == set()
    events: Any = await stand.store.redis.xrange(keys.outbox(partition))
    assert [(event["type"], event["account"]) for _, event in events] == [("device.removed", _ADA)]
    assert (await stand.revoker.find(receipt.id)).as_dict() == receipt.as_dict()


async def test_several_targets_go_in_one_act_or_not_at_all(stand: Stand) -> None:
    """One unknown device among them changes nothing."""
    await stand.add_device("a")
    await stand.add_device("b")

    with pytest.raises(NotFound):
        await stand.revoker.revoke(_ADA, [("device", "a"), ("device", "stranger")], reason="test")
    assert not stand.following.knows("a")
    receipt = await stand.revoker.revoke(_ADA, [("device", "a"), ("device", "b")], reason="test")

    assert receipt.status == "complete"
    assert stand.following.knows("a")
    assert stand.following.knows("b")


async def test_another_accounts_device_is_unknown(stand: Stand) -> None:
    """Nobody revokes by guessing ids, not even in the same partition."""
    await stand.add_device("d")
    await stand.store.redis.hset(keys.device(keys.partition_of(_ADA), "d"), "account", "eve")

    with pytest.raises(NotFound):
        await stand.revoker.revoke(_ADA, [("device", "d")], reason="test")


async def test_nothing_to_revoke_is_refused(stand: Stand) -> None:
    """An empty act would be a complete receipt for nothing."""
    with pytest.raises(BadRequest):
        await stand.revoker.revoke(_ADA, [], reason="test")


async def test_repeated_with_its_key_an_act_happens_once(stand: Stand) -> None:
    """A client that lost the answer asks again and gets the same receipt; a generation is raised once."""
    first = await stand.revoker.revoke(_ADA, [("account", _ADA)], reason="test", repeat_key="k")
    again = await stand.revoker.revoke(_ADA, [("account", _ADA)], reason="test", repeat_key="k")
    other = await stand.revoker.revoke(_ADA, [("account", _ADA)], reason="test", repeat_key="k2")

    assert again.id == first.id
    assert other.id != first.id
    assert await stand.store.redis.hget(keys.account(_ADA), "generation") == "2"


async def test_simultaneous_revocations_each_get_their_receipt(stand: Stand) -> None:
    """A burst shares loop turns and messages, and nobody gets another's receipt."""
    for number in range(40):
        await stand.add_device(f"d{number}")

    receipts = await asyncio.gather(
        *(stand.revoker.revoke(_ADA, [("device", f"d{number}")], reason="test") for number in range(40))
    )

    assert {receipt.status for receipt in receipts} == {"complete"}
    assert len({receipt.id for receipt in receipts}) == 40
    assert all(stand.following.knows(f"d{number}") for number in range(40))
    assert stand.barrier._heard == {}


@pytest.mark.parametrize(("rule", "status"), [("closed", "complete"), ("last-known-good", "partial")])
async def test_a_silent_worker_is_judged_by_its_rule(stand: Stand, rule: str, status: str) -> None:
    """Rule closed: complete after its fence and a tenth. Last-known-good: partial, naming it and the time."""
    await stand.add_device("d")
    row = WorkerRow(500, rule, 2_000, 0)  # type: ignore[arg-type]
    await registry.register(stand.store, "silent.1.x", row, lease_ms=300_000)

    receipt = await stand.revoker.revoke(_ADA, [("device", "d")], reason="test")

    assert receipt.status == status
    # The patience is the longest fence of all: one second, and a tenth.
    assert 1_100 <= receipt.elapsed_ms < 10_000
    assert receipt.applied == 1
    if status == "partial":
        assert [one.worker for one in receipt.missing] == ["silent.1.x"]

        async def is_complete() -> bool:
            return (await stand.revoker.find(receipt.id)).status == "complete"

        await wait_until_async(is_complete, "the receipt to become complete")
        assert receipt.certain_at_ms is not None
        assert time.time() * 1000 >= receipt.certain_at_ms
    # Its patience over, the next revoker strikes it and waits for it no more.
    await stand.add_device("e")
    await stand.revoker.revoke(_ADA, [("device", "e")], reason="test")
    await stand.add_device("f")
    assert (await stand.revoker.revoke(_ADA, [("device", "f")], reason="test")).elapsed_ms < 1_000


async def test_a_key_belongs_to_one_act(stand: Stand) -> None:
    """Another target with the same Idempotency-Key got the first one's receipt, and was revoked by nobody."""
    await stand.add_device("a")
    await stand.add_device("b")
    await stand.revoker.revoke(_ADA, [("device", "a")], reason="test", repeat_key="k")

    for account, target in ((_ADA, ("device", "b")), (_ADA, ("account", _ADA)), (Account("eve"), ("account", "eve"))):
        with pytest.raises(Conflict) as caught:
            await stand.revoker.revoke(account, [target], reason="test", repeat_key="k")  # type: ignore[list-item]
        assert caught.value.code == "idempotency_key_reused"
    assert not stand.following.knows("b")


@pytest.mark.parametrize("asked_by", ["repeating it", "its id"])
async def test_a_repeated_act_waits_for_the_workers_like_the_first(stand: Stand, asked_by: str) -> None:
    """A repeat whose first call had died before its receipt said `0 of 1` of a healthy worker."""
    await stand.add_device("d")
    first = await stand.revoker.revoke(_ADA, [("device", "d")], reason="test", repeat_key="k")
    # The first revoker died between the append and its receipt.
    await stand.store.redis.hdel(keys.receipt(keys.partition_of(_ADA), first.id), "verdict")

    if asked_by == "its id":
        again = await stand.revoker.find(first.id)
    else:
        again = await stand.revoker.revoke(_ADA, [("device", "d")], reason="test", repeat_key="k")

    assert (again.id, again.status, again.applied, again.workers) == (first.id, "complete", 1, 1)
    assert stand.barrier._heard == {}
    stream: Any = await stand.store.redis.xrange(keys.revocations(keys.partition_of(_ADA)))
    assert len(stream) == 1


async def test_a_worker_that_answers_late_completes_the_receipt(stand: Stand) -> None:
    """On a busy machine partial receipts did not become complete before the outage rule's time, 66 s by default."""
    await stand.add_device("d")
    row = WorkerRow(200, "last-known-good", 60_000, 0)
    await registry.register(stand.store, "late.1.x", row, lease_ms=300_000)

    receipt = await stand.revoker.revoke(_ADA, [("device", "d")], reason="test")
    await stand.store.redis.execute_command("SPUBLISH", keys.acks("asker.1.x"), f"late.1.x {receipt.id}")

    assert (receipt.status, [one.worker for one in receipt.missing]) == ("partial", ["late.1.x"])

    async def is_complete() -> bool:
        found = await stand.revoker.find(receipt.id)
        return (found.status, found.applied, found.workers) == ("complete", 2, 2)

    await wait_until_async(is_complete, "the late acknowledgement to count")
    assert stand.barrier._heard == {}


async def test_nobody_acknowledges_half_an_act(stand: Stand) -> None:
    """A worker that had read the first of two bells could acknowledge both: only the last one asks for an answer."""
    await stand.add_device("a")
    await stand.add_device("b")

    await stand.revoker.revoke(_ADA, [("device", "a"), ("device", "b")], reason="test")

    stream: Any = await stand.store.redis.xrange(keys.revocations(keys.partition_of(_ADA)))
    assert [fields["e"].split()[-1] for _, fields in stream] == ["-", "asker.1.x"]


@pytest.mark.parametrize("asked_by", ["repeating it", "its id"])
async def test_an_act_in_slices_is_acknowledged_as_a_whole_when_it_is_repeated(stand: Stand, asked_by: str) -> None:
    """Its repeat asked the workers for the last slice alone, and was complete of a worker that had missed the first.

    Hearing the last entry proves that those of its own script were heard, and not those of a script before.
    """
    devices = [f"{number:022d}" for number in range(SLICE + 1)]
    for device in devices:
        await stand.add_device(device)
    targets: list[tuple[Target, str]] = [("device", device) for device in devices]
    first = await stand.revoker.revoke(_ADA, targets, reason="test", repeat_key="k")
    partition = keys.partition_of(_ADA)
    stream: Any = await stand.store.redis.xrange(keys.revocations(partition))
    first_slice = next(fields["e"].split()[5] for _, fields in stream if fields["e"].split()[2] == devices[0])
    # The revoker died before its receipt. Another worker says that it has the last slice, whenever it is asked.
    await stand.store.redis.hdel(keys.receipt(partition, first.id), "verdict")
    await registry.register(stand.store, "half.1.x", WorkerRow(2_000, "closed", 0, 0), lease_ms=300_000)

    async def acknowledge(*ids: str) -> None:
        await stand.store.redis.execute_command("SPUBLISH", keys.acks("asker.1.x"), f"half.1.x {' '.join(ids)}")

    if asked_by == "its id":
        again = asyncio.create_task(stand.revoker.find(first.id))
    else:
        again = asyncio.create_task(stand.revoker.revoke(_ADA, targets, reason="test", repeat_key="k"))
    await wait_until_async(lambda: first.id in stand.barrier._heard, "the repeat to ask")
    for _ in range(5):
        await acknowledge(first.id)
        await asyncio.sleep(0.05)
    too_early = again.done()
    await acknowledge(first_slice)

    assert not too_early
    assert ((await again).id, (await again).status, (await again).applied) == (first.id, "complete", 2)
    assert stand.barrier._heard == {}
    assert await stand.store.redis.xlen(keys.revocations(partition)) == len(devices)


async def test_durable_says_what_the_store_does_now(own_valkey: Callable[[], Valkey]) -> None:
    """It stayed true after `CONFIG SET appendonly no`, and would stay false after the way back."""
    server = own_valkey()
    stand = Stand(server.url)
    await stand.feed.start()
    await wait_until_async(stand.feed.holds, "the worker to follow")
    durable = []
    for number, setting in enumerate(("yes", "no", "yes")):
        await stand.store.redis.config_set("appendonly", setting)

        async def is_written() -> bool:
            info = await stand.store.redis.info("persistence")
            return not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]

        await wait_until_async(is_written, "the log to be whole")
        await stand.add_device(f"d{number}")
        durable.append((await stand.revoker.revoke(_ADA, [("device", f"d{number}")], reason="test")).durable)

    assert durable == [True, False, True]
    await stand.close()


async def test_a_receipt_whose_revoker_died_is_judged_from_the_registry(stand: Stand) -> None:
    """Recorded by a former release, its revoker killed before the verdict: everybody counts as silent since."""
    partition = keys.partition_of(_ADA)
    now_ms = int(time.time() * 1000)
    name = f"{partition:02x}.lost"
    await stand.store.redis.hset(keys.receipt(partition, name), mapping={"at_ms": now_ms, "account": _ADA})

    first = await stand.revoker.find(name)

    assert first.status == "partial"
    assert [one.worker for one in first.missing] == ["asker.1.x"]

    async def is_complete() -> bool:
        return (await stand.revoker.find(name)).status == "complete"

    await wait_until_async(is_complete, "the worker's fence to be over")


@pytest.mark.parametrize("name", ["", "zz.x", "07.unknown", "07", "+7.x", "-1.x", "0 .x"])
async def test_an_id_no_receipt_ever_had_is_not_found(stand: Stand, name: str) -> None:
    """A made-up id is a 404 and never an error of ours."""
    with pytest.raises(NotFound):
        await stand.revoker.find(name)


async def test_a_store_that_dies_in_between_confirms_nothing(own_valkey: Callable[[], Valkey]) -> None:
    """503 "not confirmed, repeat"; repeated after the restart with its key, it is one act."""
    server = own_valkey()
    stand = Stand(server.url, timeout_seconds=0.5)
    await stand.feed.start()
    await wait_until_async(stand.feed.holds, "the worker to follow")
    await stand.add_device("d")

    server.kill9()
    with pytest.raises(StoreAway) as caught:
        await stand.revoker.revoke(_ADA, [("device", "d")], reason="test", repeat_key="k")
    assert caught.value.code == "revocation_not_confirmed"
    server.restart()
    await wait_until_async(stand.feed.holds, "the worker to follow again")
    receipt = await stand.revoker.revoke(_ADA, [("device", "d")], reason="test", repeat_key="k")

    assert receipt.status == "complete"
    assert receipt.durable
    await stand.close()


async def test_right_after_a_restart_a_receipt_waits_for_the_bound(own_valkey: Callable[[], Valkey]) -> None:
    """Everybody had applied it, and yet it was partial with nobody missing: now the last second is waited for."""
    server = own_valkey()
    stand = Stand(server.url)
    await stand.feed.start()
    await wait_until_async(stand.feed.holds, "the worker to follow")
    server.kill9()
    server.restart()
    await wait_until_async(lambda: stand.feed.registry_link.epoch_stamp_ms, "the worker to see the new epoch")
    await wait_until_async(stand.feed.holds, "the worker to follow again")
    await stand.add_device("d")

    receipt = await stand.revoker.revoke(_ADA, [("device", "d")], reason="test")

    assert (receipt.status, receipt.missing) == ("complete", ())
    assert time.time() * 1000 >= stand.feed.registry_link.epoch_stamp_ms + 1_100
    await stand.close()


@pytest.mark.parametrize(("fsync", "waits_seconds"), [("always", 1.1), ("everysec", 66.0)])
async def test_a_revoker_that_comes_after_a_restart_waits_for_whom_it_cannot_know(
    own_valkey: Callable[[], Valkey], fsync: str, waits_seconds: float
) -> None:
    """A receipt was complete at once, though the restart had lost the row of a worker that still trusted itself.

    The revoker itself came after the restart. Where the store may have lost rows, it waits for a worker that bridges
    outages, too: the receipt is partial until then.
    """
    server = own_valkey()
    former = Stand(server.url)
    await former.feed.start()
    await wait_until_async(former.feed.holds, "a worker to follow")
    await former.close()
    server.kill9()
    server.restart()
    stand = Stand(server.url)
    stand.feed.row = lambda: WorkerRow(1_000, "last-known-good", 60_000, 0)
    await stand.store.redis.config_set("appendfsync", fsync)
    await stand.add_device("d")
    await stand.feed.start()
    restarted_ms = time.time() * 1000

    receipt = await stand.revoker.revoke(_ADA, [("device", "d")], reason="test")

    assert receipt.status == ("complete" if fsync == "always" else "partial")
    certain_at_ms = receipt.certain_at_ms or time.time() * 1000
    assert certain_at_ms >= restarted_ms + 1_000 * waits_seconds - 100
    assert [one.worker for one in receipt.missing] == ([] if fsync == "always" else ["unknown"])
    await stand.close()
