"""An entry that cannot be read costs its partition questions to the store, and nobody anything else."""

from pathlib import Path

import pytest

from harness.following import MakeFeed, append
from harness.waiting import wait_until_async
from harness.worker_app import SESSION, Worker, running_worker, settings_for
from latchstring_gateway import metrics
from latchstring_gateway.ids import Account
from latchstring_gateway.revocation.doubts import Doubts, unreadable_entry
from latchstring_gateway.revocation.entry import Entry
from latchstring_gateway.revocation.fence import Fence
from latchstring_gateway.revocation.pulse import History
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store

_BAD = ("", "x", "17 device", "one device d 0 1 a -", "5 planet d 0 1 a -", "5 device \ufffd 0 1 a -")
_ADA = Account("ada")


class _Link:
    def __init__(self) -> None:
        self.fence, self.history = Fence(1), History()


async def _ring(store: Store, partition: int, text: str | bytes, *, bell: bool = True) -> None:
    await store.redis.incr(keys.number(partition))
    await store.redis.xadd(keys.revocations(partition), {"e": text})
    if bell:
        await store.redis.execute_command("SPUBLISH", keys.revocations(partition), text)


def _count() -> float:
    return float(metrics.UNREADABLE_REVOCATIONS._value.get())


@pytest.mark.parametrize("text", _BAD)
def test_what_was_issued_before_an_unreadable_entry_is_doubted_until_it_is_over(text: str) -> None:
    """Every lease until a heartbeat has told the time; then those from before; then none. Others' never."""
    links = [_Link() for _ in range(keys.PARTITIONS)]
    fences = [link.fence for link in links]
    told: list[tuple[int, Entry]] = []
    doubts = Doubts(fences, lambda partition, entry: told.append((partition, entry)))
    links[7].fence.renew(90, 5_000)

    assert doubts.read(7, text, 100) is None
    doubts.settle(links)
    assert (doubts.doubts(7, 10**15), doubts.doubts(8, 0)) == (True, False)
    assert fences[7].until_ns == 0
    assert fences[8] is links[8].fence
    links[7].fence.renew(110, 6_000)
    doubts.settle(links)
    assert [doubts.doubts(7, at_ms) for at_ms in (5_999, 6_000, 6_001)] == [True, True, False]
    fences[7] = links[7].fence
    doubts.close_fences()
    doubts.forget(links, 1_100, keep_ns=1_000)
    assert fences[7].until_ns == 0
    doubts.forget(links, 1_101, keep_ns=1_000)
    assert fences[7] is links[7].fence
    assert not doubts.doubts(7, 0)
    assert told == [(7, unreadable_entry(7))]


def test_what_a_clock_gave_out_before_it_was_put_back_is_doubted() -> None:
    """Such a lease was issued before the entry, and says a later time."""
    links = [_Link() for _ in range(keys.PARTITIONS)]
    links[7].history = History(ahead_until_ms=9_000)
    doubts = Doubts([link.fence for link in links], lambda _partition, _entry: None)
    doubts.read(7, "x", 100)
    links[7].fence.renew(110, 6_000)
    doubts.settle(links)

    assert (doubts.doubts(7, 9_000), doubts.doubts(7, 9_001)) == (True, False)


@pytest.mark.parametrize("bell", [True, False])
@pytest.mark.parametrize("text", [*_BAD[:2], b"5 device \xff\xfe 0 1 a -"])
async def test_a_worker_goes_on_after_an_entry_that_cannot_be_read(
    store_url: str, make_feed: MakeFeed, text: str | bytes, bell: bool
) -> None:
    """Its bell ended the subscription, and each load of its stream failed: the fence ran out for good."""
    one = await make_feed(store_url)
    await wait_until_async(one.feed.holds, "it to follow")
    before = _count()
    await _ring(one.store, 7, text, bell=bell)
    await append(store_url, "after")
    await append(store_url, "elsewhere", partition=9)
    await wait_until_async(lambda: one.knows("after") and one.knows("elsewhere"), "what came afterwards")
    await wait_until_async(lambda: _count() > before, "the entry to be counted")
    since_ns = one.feed.clock.boot_ns()
    await wait_until_async(lambda: one.feed.registry_link.fence.contact_ns > since_ns, "another full heartbeat")

    assert one.feed.holds()
    assert one.feed.fences[7].until_ns == 0
    assert one.feed.fences[9] is one.feed.registry_link.fence
    late = await make_feed(store_url, "late.1.x")
    await wait_until_async(late.feed.holds, "a worker that starts after it")
    assert late.feed.doubts.doubts(7, 0)


async def test_nobody_whom_an_unreadable_entry_names_is_accepted_again(store_url: str, tmp_path: Path) -> None:
    """The store's rows know who was meant: they are out at once, the others of his partition are renewed and stay."""
    async with running_worker(settings_for(store_url, tmp_path)) as worker:
        named, other = await worker.signed_in(), await worker.signed_in()
        assert [await _status(worker, one) for one in (named, other)] == [200, 200]
        partition = keys.partition_of(_ADA)
        session = (await worker.verify(named)).headers["x-latch-session"]
        await worker.store.redis.hset(keys.session(partition, session), mapping={"state": "ended"})
        assert await _status(worker, named) == 200, "nobody has told the worker"
        before = _count()
        await _ring(worker.store, partition, "unreadable")
        await wait_until_async(lambda: _count() > before, "the entry to be heard")

        assert [await _status(worker, one) for one in (named, other)] == [401, 200]
        # What the store issues from the next heartbeat on asks it no more.
        feed = worker.rooms.feed
        await wait_until_async(lambda: not feed.doubts.doubts(partition, 10**15), "a heartbeat to tell the time")
        renewed = await worker.signed_in()
        assert await _status(worker, renewed) == 200
        assert not feed.doubts.doubts(partition, worker.lease({SESSION: renewed[SESSION]}).issued_at_ms)
        assert feed.doubts.doubts(partition, worker.lease(other).issued_at_ms)
        assert await _status(worker, other) == 200


async def _status(worker: Worker, jar: dict[str, str]) -> int:
    return (await worker.verify(jar)).status_code
