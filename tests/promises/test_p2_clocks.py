"""P2 while somebody sets the clocks: the store's and the machine's, forward and back, at any moment."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from harness.following import Following
from harness.stepped_store import SteppedClock, SteppedStore
from harness.waiting import wait_until_async
from latchstring_gateway.ids import Account
from latchstring_gateway.revocation import registry
from latchstring_gateway.revocation.barrier import Barrier
from latchstring_gateway.revocation.certify import Certifier
from latchstring_gateway.revocation.receipt import WorkerRow
from latchstring_gateway.revocation.revoke import Revoker
from latchstring_gateway.revocation.trimming import Trimming
from latchstring_gateway.store import keys
from latchstring_gateway.tokens.keyfile import new_key
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.log_names import LogNames

pytestmark = pytest.mark.store

_ADA = Account("ada@example.com")
_PARTITION = keys.partition_of(_ADA)
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


class _Worker:
    """A worker that follows and revokes, on a host whose clock is set together with the store's."""

    def __init__(self, url: str, clock: SteppedClock, name: str) -> None:
        self.store = SteppedStore(url)
        barrier = Barrier()
        self.following = Following(url, name, clock, 1.0, heard=barrier.heard, store=self.store)
        self.feed = self.following.feed
        certifier = Certifier(self.store, clock, self.feed, barrier)
        names = LogNames(KeyRing((new_key(0, not_before_ms=0),), clock))
        self.revoker = Revoker(self.store, clock, certifier, barrier, names, reply_to=name)

    async def start(self) -> "_Worker":
        await self.feed.start()
        await wait_until_async(self.feed.holds, "the worker to follow")
        return self

    async def remove(self, device: str) -> str:
        """Remove a device of Ada's; the receipt's id."""
        row = {"account": _ADA, "state": "active", "name": "TV", "kind": "tv"}
        await self.store.redis.hset(keys.device(_PARTITION, device), mapping=row)  # type: ignore[arg-type]
        return (await self.revoker.revoke(_ADA, [("device", device)], reason="test")).id

    def knows(self, device: str) -> bool:
        return self.following.knows(device)

    async def close(self) -> None:
        await self.revoker.close()
        await self.feed.close()
        await self.store.close()


Start = Callable[[str], Awaitable[_Worker]]


@pytest.fixture
def clock() -> SteppedClock:
    """The clock of store and machine."""
    return SteppedClock()


@pytest.fixture
async def start(store_url: str, clock: SteppedClock) -> AsyncIterator[Start]:
    """Start a worker that follows."""
    async with AsyncExitStack() as stack:

        async def start(name: str) -> _Worker:
            worker = _Worker(store_url, clock, name)
            stack.push_async_callback(worker.close)
            return await worker.start()

        yield start


@pytest.mark.parametrize("others", ["watch", "are gone"])
@pytest.mark.parametrize("step_ms", [_HOUR_MS, -_HOUR_MS, 3 * _DAY_MS])
async def test_a_worker_that_starts_while_the_clock_is_wrong_learns_of_what_was_before(
    start: Start, clock: SteppedClock, step_ms: int, others: str
) -> None:
    """Seen: it loaded the last minutes by a clock that was an hour ahead; put right, its fence held without them.

    Up to five minutes long it then let in whom somebody had a complete receipt for.
    """
    first = await start("first.1.x")
    await first.remove("before")
    if others == "are gone":
        await first.close()
    await clock.set(first.store, step_ms)

    second = await start("second.1.x")
    await second.remove("meanwhile")
    await clock.set(second.store, 0)
    third = await start("third.1.x")
    contact_ns = second.feed.registry_link.fence.contact_ns
    await wait_until_async(lambda: second.feed.registry_link.fence.contact_ns > contact_ns, "another heartbeat")

    for worker in (second, third):
        await wait_until_async(worker.feed.holds, "the worker to follow")
        assert [worker.knows(device) for device in ("before", "meanwhile")] == [True, True]


async def test_nothing_is_trimmed_by_a_clock_that_was_just_set(start: Start, clock: SteppedClock) -> None:
    """Seen: one revocation by a clock two days ahead cut away all that stood in its stream."""
    worker = await start("first.1.x")
    await worker.remove("before")
    await clock.set(worker.store, 2 * _DAY_MS)
    await worker.remove("ahead")
    # As if it had run evenly for long: with the clock put right, by entries' own times.
    await worker.store.redis.hset(keys.DEPLOYMENT, "watched_since_ms", "1")
    await wait_until_async(lambda: worker.feed.registry_link.history.watched_since_ms == 1, "the worker to believe it")
    trimming = Trimming(worker.store, first=_PARTITION)
    await clock.set(worker.store, 0)
    is_noted = lambda: worker.feed.registry_link.history.watched_since_ms > 1  # noqa: E731 - short
    await wait_until_async(is_noted, "the step to be noted")

    assert await trimming.step(worker.feed.links) == 0
    assert await worker.store.redis.xlen(keys.revocations(_PARTITION)) == 2


@pytest.mark.parametrize("step_ms", [600_000, -600_000])
async def test_a_partial_receipt_waits_its_time_whatever_the_clock_says(
    start: Start, clock: SteppedClock, step_ms: int
) -> None:
    """Seen: the clock set forward made it complete, though its silent worker still bridged; set back, it never was."""
    worker = await start("first.1.x")
    await registry.register(worker.store, "silent.1.x", WorkerRow(200, "last-known-good", 4_000, 0), lease_ms=300_000)
    began = time.monotonic()
    receipt = await worker.remove("d")

    await clock.set(worker.store, step_ms)
    at_once = await worker.revoker.find(receipt)

    async def is_complete() -> bool:
        return (await worker.revoker.find(receipt)).status == "complete"

    assert at_once.status == "partial"
    assert [one.worker for one in at_once.missing] == ["silent.1.x"]
    await wait_until_async(is_complete, "the receipt to become complete")
    assert 4.3 < time.monotonic() - began < 15


async def test_a_silent_worker_is_not_given_up_by_a_step_of_the_clock(start: Start, clock: SteppedClock) -> None:
    """Its pulse of a moment ago looked an hour old, and the receipt was complete without it."""
    worker = await start("first.1.x")
    await registry.register(worker.store, "silent.1.x", WorkerRow(200, "last-known-good", 60_000, 0), lease_ms=300_000)
    await clock.set(worker.store, _HOUR_MS)
    await asyncio.sleep(0)

    receipt = await worker.revoker.find(await worker.remove("d"))

    assert (receipt.status, [one.worker for one in receipt.missing]) == ("partial", ["silent.1.x"])


async def test_after_the_clock_was_put_back_nothing_is_forgotten_too_early(start: Start, clock: SteppedClock) -> None:
    """What was given out by the clock that ran ahead is young again an hour later, and was revoked before."""
    worker = await start("first.1.x")
    link = worker.feed.registry_link
    await worker.remove("d")
    watched_ms = link.history.watched_since_ms
    await clock.set(worker.store, _HOUR_MS)
    await wait_until_async(lambda: link.history.watched_since_ms > watched_ms, "the step to be noted")
    await clock.set(worker.store, 0)
    await wait_until_async(lambda: link.history.ahead_until_ms > 0, "the way back to be noted")
    worker.feed.replica.keep_ns = 0

    await asyncio.sleep(0.5)

    assert worker.knows("d")
    assert link.history.is_catching_up(link.store_ms(), link.lease_max_ms)
    assert not link.history.is_catching_up(link.store_ms() + _HOUR_MS + 700_000, link.lease_max_ms)
