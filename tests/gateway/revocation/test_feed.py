"""A worker's link to a real store: following, gaps, faults, and what a fence rests on."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import pytest
import redis.asyncio
import uvloop

from harness.following import Following, MakeFeed, append
from harness.relay import relay_to
from harness.valkey import Valkey
from harness.waiting import wait_until_async
from latchstring_gateway import metrics
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.errors import StoreAway
from latchstring_gateway.revocation import registry
from latchstring_gateway.store import keys

pytestmark = pytest.mark.store


async def _follows(one: Following, timeout_seconds: float = 5.0) -> None:
    """Return after a full heartbeat that began now or later."""
    since_ns = SystemClock().boot_ns()
    await wait_until_async(
        lambda: one.feed.holds() and one.feed.registry_link.fence.contact_ns > since_ns,
        "a full heartbeat",
        timeout_seconds,
    )


def _lags() -> float:
    """How many lags were counted, of whatever length."""
    return float(sum(bucket.get() for bucket in metrics.REVOCATION_LAG._buckets))


async def test_a_worker_registers_loads_and_then_trusts(store_url: str, make_feed: MakeFeed) -> None:
    """At its start it enters its row, reads what was revoked before, and only then holds."""
    await append(store_url, "before")

    one = await make_feed(store_url)
    assert not one.feed.holds()
    await _follows(one)

    assert one.feed.loaded
    assert one.knows("before")
    assert [row.worker for row in await registry.read(one.store)] == ["w.1.x"]


async def test_a_bell_is_applied_and_acknowledged_to_its_asker(store_url: str, make_feed: MakeFeed) -> None:
    """A revocation reaches every worker without a heartbeat, and the asker hears who has applied it."""
    asker = await make_feed(store_url, "asker.1.x")
    other = await make_feed(store_url, "other.1.x")
    await _follows(asker)
    await _follows(other)

    await append(store_url, "gone", reply_to="asker.1.x")

    await wait_until_async(lambda: len(asker.heard) == 2, "both acknowledgements")
    assert set(asker.heard) == {("asker.1.x", "07.gone"), ("other.1.x", "07.gone")}
    assert other.heard == []
    assert asker.knows("gone")
    assert other.knows("gone")


async def test_each_worker_times_a_revocation_once(store_url: str, make_feed: MakeFeed) -> None:
    """Heard by bell or read after a gap, once a worker; not what was there at its start, nor what is read again."""
    await append(store_url, "before")
    one, two = await make_feed(store_url, "one.1.x"), await make_feed(store_url, "two.1.x")
    await _follows(one)
    await _follows(two)
    before = _lags()

    await append(store_url, "gone")
    await wait_until_async(lambda: one.knows("gone") and two.knows("gone"), "both to hear of it")
    assert _lags() - before == 2
    await append(store_url, "missed", first=("CLIENT", "KILL", "TYPE", "pubsub"))
    await wait_until_async(lambda: one.knows("missed") and two.knows("missed"), "both to read of it")
    await _follows(one)
    await _follows(two)

    assert _lags() - before == 4


async def test_what_was_missed_between_two_subscriptions_is_read_and_acknowledged(
    store_url: str, make_feed: MakeFeed
) -> None:
    """A subscription that is killed comes back at once, and its worker still answers whoever asked meanwhile."""
    asker = await make_feed(store_url, "asker.1.x")
    await _follows(asker)

    await append(store_url, "missed", reply_to="asker.1.x", first=("CLIENT", "KILL", "TYPE", "pubsub"))
    since = time.monotonic()
    await wait_until_async(lambda: asker.heard, "the acknowledgement")

    assert time.monotonic() - since < 0.9, "sooner than a revoker's patience"
    assert asker.knows("missed")
    await _follows(asker)
    assert not asker.feed.store_away


async def test_an_answer_to_a_former_subscription_vouches_for_nothing(store_url: str, make_feed: MakeFeed) -> None:
    """A load was under way when its subscription was lost, and an entry was appended before the next one stood.

    The late answer marked the partition as loaded, so the next heartbeat renewed the fence without the entry: a removed
    device was accepted after its receipt.
    """
    one = await make_feed(store_url)
    await _follows(one)
    release = asyncio.Event()
    one.feed.replica.behind.add(7)
    one.store.gate = release.wait
    beat = asyncio.create_task(one.feed.refresh())
    await asyncio.sleep(0.3)

    link = one.feed.registry_link
    former = link._subscription
    await append(store_url, "between", first=("CLIENT", "KILL", "TYPE", "pubsub"))
    await wait_until_async(
        lambda: one.feed.registry_link._subscription not in (None, former), "another subscription", 2
    )
    one.store.gate = None
    release.set()
    await beat
    await _follows(one)

    assert one.knows("between")


async def test_a_worker_whose_row_is_gone_registers_again_and_reloads(store_url: str, make_feed: MakeFeed) -> None:
    """Struck by somebody's patience, a worker that lives enters again before it trusts."""
    one = await make_feed(store_url)
    await _follows(one)
    reader = await make_feed(store_url, "reader.1.x")
    async with redis.asyncio.Redis.from_url(store_url) as client:
        # An entry without a bell: only a reload finds it.
        await client.xadd(keys.revocations(9), {"e": "1 device silent 0 1 09.x -"})
        await client.set(keys.number(9), 1)

    assert await registry.strike(reader.store, "w.1.x")
    await _follows(one)

    assert one.knows("silent")
    assert "w.1.x" in [row.worker for row in await registry.read(reader.store)]


async def test_a_changed_row_does_not_hide_that_it_was_struck(store_url: str, make_feed: MakeFeed) -> None:
    """Writing new keys into a struck row made the next pulse find it there, and the reload was left out."""
    one = await make_feed(store_url)
    await _follows(one)
    async with redis.asyncio.Redis.from_url(store_url) as client:
        await client.xadd(keys.revocations(9), {"e": "1 device silent 0 1 09.x -"})
        await client.set(keys.number(9), 1)

    one.feed.announce()
    await registry.strike(one.store, "w.1.x")
    await _follows(one)

    assert one.knows("silent")


async def test_longer_leases_elsewhere_lengthen_the_memory(store_url: str, make_feed: MakeFeed) -> None:
    """What is revoked is kept for the longest leases of the deployment, not for this worker's own."""
    one = await make_feed(store_url)
    await _follows(one)

    await registry.register(one.store, "long.1.x", one.feed.row(), lease_ms=3_600_000)
    await _follows(one)

    assert one.feed.replica.keep_ns == 7_200_000_000_000


async def test_an_emptied_store_gets_its_revocations_back(store_url: str, make_feed: MakeFeed) -> None:
    """After FLUSHALL the worker enters again, keeps what it knows and writes it back for those who start later."""
    one = await make_feed(store_url)
    await _follows(one)
    await append(store_url, "known")
    await wait_until_async(lambda: one.knows("known"), "the bell")

    async with redis.asyncio.Redis.from_url(store_url) as client:
        await client.flushall()
    await _follows(one)
    later = await make_feed(store_url, "later.1.x")
    await _follows(later)

    assert one.knows("known")
    assert later.knows("known")


async def test_a_paused_store_lapses_the_fence_and_nothing_else(store_url: str, make_feed: MakeFeed) -> None:
    """CLIENT PAUSE: for a while nothing can be vouched for; then everything goes on by itself."""
    one = await make_feed(store_url)
    await _follows(one)

    async with redis.asyncio.Redis.from_url(store_url) as client:
        await client.client_pause(1_500, True)
    await wait_until_async(lambda: not one.feed.holds(), "the fence to lapse")
    await _follows(one)

    assert one.feed.loaded


@pytest.mark.parametrize("frozen_seconds", [0.5, 3.0])
async def test_a_frozen_store_is_followed_again_after_its_thaw(
    own_valkey: Callable[[], Valkey], make_feed: MakeFeed, frozen_seconds: float
) -> None:
    """A read that timed out answered None, which ended the following task for good: no fence ever held again."""
    server = own_valkey()
    one = await make_feed(server.url)
    await _follows(one)

    server.freeze()
    await asyncio.sleep(frozen_seconds)
    assert one.feed.holds() == (frozen_seconds < 1)
    server.thaw()
    since = time.monotonic()
    await _follows(one)

    assert time.monotonic() - since < 60
    assert not one.feed.store_away


async def test_a_killed_store_is_followed_again_in_a_new_epoch(
    own_valkey: Callable[[], Valkey], make_feed: MakeFeed
) -> None:
    """After kill -9 and a restart the epoch has risen and what was revoked is known."""
    server = own_valkey()
    one = await make_feed(server.url)
    await _follows(one)
    await append(server.url, "known")
    epoch = one.feed.registry_link.epoch

    server.kill9()
    await wait_until_async(lambda: one.feed.store_away, "the worker to notice")
    server.restart()
    since = time.monotonic()
    await _follows(one)
    later = await make_feed(server.url, "later.1.x")
    await _follows(later)

    assert time.monotonic() - since < 60
    assert one.feed.registry_link.epoch > epoch
    assert one.feed.registry_link.epoch_stamp_ms > 0
    assert later.knows("known")


async def test_keys_announced_in_an_outage_are_written_after_it(
    own_valkey: Callable[[], Valkey], make_feed: MakeFeed
) -> None:
    """A change that could not be written was forgotten, and no key could become active any more."""
    server = own_valkey()
    one = await make_feed(server.url, timeout_seconds=0.3)
    await _follows(one)
    server.freeze()
    await wait_until_async(lambda: one.feed.store_away, "the worker to notice")

    one.key_ids.append("k2")
    one.feed.announce()
    with pytest.raises(StoreAway):
        await one.feed._register()
    server.thaw()

    async def is_written() -> bool:
        return any(row.row.keys == ("k1", "k2") for row in await registry.read(one.store))

    await wait_until_async(is_written, "the new key in the row")


async def test_no_fence_rests_on_a_read(own_valkey: Callable[[], Valkey], make_feed: MakeFeed) -> None:
    """A server that may only be read, as an isolated former primary would be, renews nobody's fence."""
    server = own_valkey()
    one = await make_feed(server.url)
    await _follows(one)

    async with redis.asyncio.Redis.from_url(server.url) as client:
        await client.execute_command("REPLICAOF", "127.0.0.1", "1")
        await wait_until_async(lambda: not one.feed.holds(), "the fence to lapse")
        until_ns = one.feed.registry_link.fence.until_ns
        assert await client.hgetall(keys.WORKERS) != {}
        assert not await one.feed.refresh()
        assert one.feed.registry_link.fence.until_ns == until_ns
        assert one.feed.store_away
        await client.execute_command("REPLICAOF", "NO", "ONE")
    await _follows(one)


async def test_a_stall_of_the_worker_is_not_held_against_the_store(store_url: str, make_feed: MakeFeed) -> None:
    """A process that was stopped finds its time limits over and the answers unread; it asks again before it judges."""
    one = await make_feed(store_url, timeout_seconds=0.5)
    await _follows(one)

    beat = asyncio.create_task(one.feed.refresh())
    for _ in range(3):
        await asyncio.sleep(0)
    time.sleep(1.3)

    assert await beat
    assert not one.feed.store_away


async def test_a_clock_that_differs_lets_nothing_be_trusted(store_url: str, make_feed: MakeFeed) -> None:
    """With half a minute between store and worker one clock is wrong: every check asks the store."""

    class Ahead(SystemClock):
        def wall_ms(self) -> int:
            return super().wall_ms() + 31_000

    one = await make_feed(store_url, clock=Ahead())
    await wait_until_async(lambda: one.feed.registry_link.epoch, "the worker to have loaded")

    assert not await one.feed.refresh()
    assert not one.feed.loaded
    assert not one.feed.store_away


async def test_refreshing_begins_after_the_call_and_is_shared(store_url: str, make_feed: MakeFeed) -> None:
    """A thousand checks after a stall cost the store one heartbeat, and each rests on one sent after it came."""
    one = await make_feed(store_url)
    await _follows(one)
    async with redis.asyncio.Redis.from_url(store_url) as client:
        before = int((await client.info("commandstats"))["cmdstat_evalsha"]["calls"])
        called_ns = SystemClock().boot_ns()

        assert all(await asyncio.gather(*(one.feed.refresh() for _ in range(1_000))))

        assert one.feed.registry_link.fence.contact_ns >= called_ns
        assert int((await client.info("commandstats"))["cmdstat_evalsha"]["calls"]) - before < 8


async def test_a_goodbye_leaves_no_row_and_no_task(store_url: str, make_feed: MakeFeed) -> None:
    """A worker that ends is waited for by nobody, trusts nothing any more and does not cry wolf."""
    one = await make_feed(store_url)
    await _follows(one)

    await one.feed.close()

    assert not one.feed.holds()
    assert not one.feed.loaded
    assert not one.feed.store_away
    assert not asyncio.all_tasks() - {asyncio.current_task()}
    assert await registry.read(one.store) == ()


async def test_an_idle_worker_beats_half_as_often(make_feed: MakeFeed, own_valkey: Callable[[], Valkey]) -> None:
    """At 1,000 workers heartbeats alone kept a fifth of a core of the store busy; every other one was not needed."""
    server = own_valkey()
    one = await make_feed(server.url)
    await wait_until_async(one.feed.holds, "the worker to follow")
    before = one.feed.fence_total("renewed")

    await asyncio.sleep(2)

    # Of a heartbeat every 0.1 s.
    assert 0 < one.feed.fence_total("renewed") - before <= 12


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_a_worker_behind_a_forwarder_that_resets_follows_again_by_itself(
    store_server: Valkey, store_url: str, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Uvloop raised RuntimeError ("the handler is closed") and the worker stopped following for good.

    From then on every revocation was partial or unconfirmed, and checks were answered 503 early.
    """

    async def attempt() -> None:
        async with relay_to(store_server.socket_path) as relay:
            one = Following(relay.url, "w.1.x", SystemClock(), 1.0)
            await one.feed.start()
            await _follows(one)
            for device in ("d0", "d1", "d2"):
                for _ in range(5):
                    relay.reset()
                    await asyncio.sleep(0.03)
                relay.closing = True
                relay.reset()
                await wait_until_async(lambda: not one.feed.holds(), "the fence to run out")
                relay.closing = False
                await _follows(one)
                await append(store_url, device)
                await wait_until_async(partial(one.knows, device), "the revocation to be heard")
            assert one.feed.work.overdue() == []
            await one.feed.close()
            await one.store.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(attempt())
