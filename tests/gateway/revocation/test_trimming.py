"""Letting go of old entries, by a clock that is known to be right."""

from typing import Any

import pytest

from harness.following import Following, MakeFeed
from harness.waiting import wait_until_async
from latchstring_gateway.revocation.pulse import History
from latchstring_gateway.revocation.trimming import EVENTS_KEPT_MS, REVOCATIONS_KEPT_MS, Trimming
from latchstring_gateway.store import keys

pytestmark = pytest.mark.store

_PARTITION = 7
_STREAM, _OUTBOX = keys.revocations(_PARTITION), keys.outbox(_PARTITION)


async def _add(one: Following, stream: str, stream_id: str, at_ms: int) -> None:
    fields = {"e": f"1 device d 0 {at_ms} 07.x -"} if stream == _STREAM else {"id": "evt_1", "at_ms": str(at_ms)}
    await one.store.redis.xadd(stream, fields, id=stream_id)  # type: ignore[arg-type]


async def _watched(make_feed: MakeFeed, store_url: str) -> tuple[Following, int]:
    """A worker whose store's clock has been watched for ever, and its time."""
    one = await make_feed(store_url)
    await wait_until_async(one.feed.holds, "the worker to follow")
    await one.store.redis.hset(keys.DEPLOYMENT, "watched_since_ms", "1")
    link = one.feed.registry_link
    await wait_until_async(lambda: link.history.watched_since_ms == 1, "the worker to hear of it")
    return one, link.store_ms()


async def test_what_is_older_than_a_day_goes_and_events_stay_a_week(make_feed: MakeFeed, store_url: str) -> None:
    """One partition each time, so that nobody waits for it."""
    one, now_ms = await _watched(make_feed, store_url)
    for stream, kept_ms in ((_STREAM, REVOCATIONS_KEPT_MS), (_OUTBOX, EVENTS_KEPT_MS)):
        for number in range(300):
            await _add(one, stream, f"{now_ms - kept_ms - 60_000}-{number}", now_ms - kept_ms - 60_000)
        await _add(one, stream, f"{now_ms - kept_ms + 60_000}-0", now_ms - kept_ms + 60_000)
    trimming = Trimming(one.store, first=_PARTITION)

    gone = await trimming.step(one.feed.links)
    neighbour = await trimming.step(one.feed.links)

    # The server lets go of whole pages, of about a hundred.
    assert 400 <= gone <= 600
    assert neighbour == 0
    for stream, kept_ms in ((_STREAM, REVOCATIONS_KEPT_MS), (_OUTBOX, EVENTS_KEPT_MS)):
        newest: Any = await one.store.redis.xrevrange(stream, count=1)
        assert newest[0][0] == f"{now_ms - kept_ms + 60_000}-0"


async def test_ids_of_a_clock_that_ran_ahead_keep_nothing_for_ever(make_feed: MakeFeed, store_url: str) -> None:
    """A clock that was in 2036 for an hour: every later id is of 2036, too, and no age could be told by it."""
    one, now_ms = await _watched(make_feed, store_url)
    ahead_ms = now_ms + 10 * 365 * 86_400_000
    old_ms = now_ms - REVOCATIONS_KEPT_MS - 60_000
    for number, at_ms in enumerate((old_ms, ahead_ms, ahead_ms, old_ms + 1, now_ms - 5_000)):
        await _add(one, _STREAM, f"{ahead_ms}-{number}", at_ms)

    assert await Trimming(one.store, first=_PARTITION).step(one.feed.links) == 3
    assert await one.store.redis.xlen(_STREAM) == 2


async def test_without_a_clock_that_was_watched_nothing_goes(make_feed: MakeFeed, store_url: str) -> None:
    """It may have been set a moment before this worker came."""
    one = await make_feed(store_url)
    await wait_until_async(one.feed.holds, "the worker to follow")
    await _add(one, _STREAM, "1-1", 1)

    assert await Trimming(one.store, first=_PARTITION).step(one.feed.links) == 0


def test_what_the_history_of_a_clock_allows() -> None:
    """Streams are read whole, and nothing is forgotten or trimmed, until the clock has been watched for long enough."""
    history = History(watched_since_ms=1_000_000)

    assert [history.read_from_ms(now_ms, 600_000) for now_ms in (1_664_999, 1_665_000)] == [0, 1_000_000]
    assert [history.ran_evenly_for(500, now_ms) for now_ms in (1_000_499, 1_000_500)] == [False, True]
    assert not History().ran_evenly_for(500, 10**12)
    put_back = History(watched_since_ms=1_000, ahead_until_ms=5_000)
    assert [put_back.is_catching_up(now_ms, 300) for now_ms in (1_000, 5_599, 5_600)] == [True, True, False]
    years = History(watched_since_ms=1_000, ahead_until_ms=10**12)
    assert not years.is_catching_up(1_000 + 86_400_000 + 600, 300)
