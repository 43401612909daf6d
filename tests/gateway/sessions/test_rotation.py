"""The rotating credential against the real script: who is a thief, and who must never be taken for one."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from harness.visitor import ADA, Deaf, Visitor, counted, events
from harness.waiting import wait_until_async
from harness.worker_app import AGENT, SESSION, Worker, now_ms, running_worker, settings_for
from latchstring_gateway.store import keys

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_GRACE_MS = 15 * _MINUTE_MS
#: How long after it was handed out a token that comes back counts as used.
_KEPT_MS = 2 * _GRACE_MS + 120_000


async def test_the_counter_advances_once_a_day_and_only_then(visitor: Visitor) -> None:
    """A day after its issue n becomes n+1; the renewal right after keeps n+1."""
    await visitor.age(_DAY_MS - _MINUTE_MS)
    _, early = await visitor.renew()
    await visitor.age(_MINUTE_MS)
    _, due = await visitor.renew(early)
    _, again = await visitor.renew(due)

    assert [visitor.n(jar) for jar in (early, due, again)] == [1, 2, 2]


@pytest.mark.parametrize(
    ("headers", "rides"),
    [
        ({"sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"}, False),
        ({"range": "bytes=0-"}, False),
        ({"x-forwarded-method": "DELETE"}, False),
        ({"x-forwarded-method": "POST", "x-latch-content-length": "100000"}, False),
        ({"x-forwarded-method": "POST", "x-latch-content-length": "100"}, True),
    ],
)
async def test_the_counter_never_advances_where_the_answer_may_not_carry_it(
    visitor: Visitor, headers: dict[str, str], rides: bool
) -> None:
    """A sub-resource or a write is let in on the same counter, however due the next one is."""
    await visitor.age(2 * _DAY_MS)

    status, after = await visitor.renew(None, **headers)

    assert (status, visitor.n(after), (await visitor.record())["n"]) == (200, 1, "1")
    assert (after[SESSION] != visitor.run_out()[SESSION]) is rides


async def test_a_lost_answer_gets_the_same_successor_again(visitor: Visitor) -> None:
    """The answer with n+1 never arrived: n gets the same n+1 again, as often as it takes, and nobody is a thief."""
    await visitor.age(_DAY_MS)
    await visitor.renew()

    counters = [visitor.n((await visitor.renew())[1]) for _ in range(3)]
    await visitor.age(_DAY_MS // 2)  # hours later, still unused
    counters.append(visitor.n((await visitor.renew())[1]))

    assert counters == [2] * 4
    assert await events(visitor.worker, "credential.reuse") == []


async def test_a_second_replay_in_a_day_is_flagged_and_ends_nothing(visitor: Visitor) -> None:
    """One lost answer is everyday; two are written down."""
    await visitor.age(_DAY_MS)
    await visitor.renew()
    before = counted("replayed_again")
    await visitor.renew()
    once = await visitor.record()
    await visitor.set(replayed_at_ms=now_ms() - _DAY_MS + _MINUTE_MS)
    status, _ = await visitor.renew()
    twice = await visitor.record()

    assert "flagged_at_ms" not in once
    assert abs(int(twice["flagged_at_ms"]) - now_ms()) < 5_000
    assert (status, twice["state"], counted("replayed_again") - before) == (200, "live", 1)


async def test_a_replay_of_the_next_day_is_not_flagged(visitor: Visitor) -> None:
    """The day begins with the replay before."""
    await visitor.age(_DAY_MS)
    await visitor.renew()
    await visitor.renew()
    await visitor.set(replayed_at_ms=now_ms() - _DAY_MS - 1)
    await visitor.renew()

    assert "flagged_at_ms" not in await visitor.record()


_PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1"


@pytest.mark.parametrize(
    ("address", "agent", "is_suspect"),
    [
        ("203.0.113.9", _PHONE, True),
        ("203.0.113.9", AGENT, False),
        ("192.0.2.77", _PHONE, False),
        ("203.0.113.9", "", False),
    ],
    ids=["both", "travels", "another device at home", "says nothing"],
)
async def test_a_replay_from_another_network_and_kind_of_device_is_told_and_ends_nothing(
    visitor: Visitor, address: str, agent: str, is_suspect: bool
) -> None:
    """`credential.suspect`, once a day; either alone is everyday life."""
    await visitor.age(_DAY_MS)
    await visitor.renew(None, user_agent=AGENT)
    answers = [await visitor.renew(None, user_agent=agent, x_forwarded_for=address) for _ in range(2)]

    told = await events(visitor.worker, "credential.suspect")
    assert [status for status, _ in answers] == [200, 200]
    assert len(told) == is_suspect
    if is_suspect:
        assert json.loads(told[0]["data"]) == {
            "session": visitor.session_key.rpartition(":")[2],
            "device": visitor.device_key.rpartition(":")[2],
            "place": "203.0.113.0/24",
            "kind": "phone",
            "usual_place": "192.0.2.0/24",
            "usual_kind": "computer",
        }


async def test_a_successor_counts_as_used_when_it_comes_back_later_than_two_graces_and_two_minutes(
    visitor: Visitor,
) -> None:
    """Until then its answer may be late, or a crash may take it away again: the former token may be his only one."""
    await visitor.age(_DAY_MS)
    _, successor = await visitor.renew()
    await visitor.age(_KEPT_MS - 1_000)
    await visitor.renew(successor)
    early = (await visitor.record())["n_used"]
    await visitor.age(2_000)
    await visitor.renew(successor)

    assert (early, (await visitor.record())["n_used"]) == ("0", "1")


async def test_a_replay_hands_the_successor_out_anew(visitor: Visitor) -> None:
    """Who comes back with the former token has no other: only what he brings later than that was kept.

    A cookie database that a crash put back twice made a thief of its owner.
    """
    await visitor.age(_DAY_MS)
    await visitor.renew()
    await visitor.age(_KEPT_MS - 1_000)
    _, again = await visitor.renew()
    await visitor.age(2_000)
    await visitor.renew(again)  # the browser crashes now, and its cookies of half a minute ago are back
    await visitor.age(_DAY_MS)

    status, after = await visitor.renew()

    assert (status, visitor.n(after)) == (200, 2)


async def test_a_late_answer_with_the_former_token_may_overwrite_the_successor(visitor: Visitor) -> None:
    """Two tabs: one rotates and goes on, the other's slow answer still carries n; the day after, n is all there is.

    The successor counted as used two minutes after its issue, and so the owner was a thief the next morning.
    """
    await visitor.age(_DAY_MS - _MINUTE_MS)
    _, slow = await visitor.renew()
    await visitor.age(_MINUTE_MS)
    _, successor = await visitor.renew()
    await visitor.age(_GRACE_MS - _MINUTE_MS)
    await visitor.renew(successor)
    await visitor.age(_DAY_MS)

    status, after = await visitor.renew(slow)

    assert (visitor.n(slow), status, visitor.n(after)) == (1, 200, 2)


async def test_the_counter_moves_only_from_a_token_that_was_kept(visitor: Visitor) -> None:
    """n+1 came late and a crash takes it away again: had it moved on at once, its owner would be two behind."""
    await visitor.age(_DAY_MS)
    await visitor.renew()  # lost
    await visitor.age(2 * _DAY_MS)
    _, successor = await visitor.renew()
    _, again = await visitor.renew(successor)

    status, after_a_crash = await visitor.renew()

    assert [visitor.n(jar) for jar in (successor, again)] == [2, 2]
    assert (status, visitor.n(after_a_crash)) == (200, 2)


async def test_after_the_stores_clock_was_set_nothing_counts_as_used_for_as_long_again(visitor: Visitor) -> None:
    """A clock that jumps a day ages no token: how long ago it was handed out is not known."""
    await visitor.age(_DAY_MS)
    _, successor = await visitor.renew()
    await visitor.age(_DAY_MS)
    await visitor.worker.store.redis.hset(keys.DEPLOYMENT, "even_since_ms", now_ms() - _MINUTE_MS)
    feed = visitor.worker.rooms.feed
    await wait_until_async(lambda: feed.registry_link.history.even_since_ms, "the worker to hear of the step")
    _, again = await visitor.renew(successor)
    status, _ = await visitor.renew()

    assert (visitor.n(again), status, (await visitor.record())["n_used"]) == (2, 200, "0")


async def test_a_token_that_was_superseded_and_whose_successor_is_in_use_ends_this_sign_in_alone(
    visitor: Visitor,
) -> None:
    """The copy and the owner's own cookie are worthless; his other devices stay, and he is told."""
    worker = visitor.worker
    other = await worker.signed_in()
    stolen = visitor.jar
    await visitor.age(_DAY_MS)
    _, owner = await visitor.renew()
    await visitor.age(_KEPT_MS)
    _, owner = await visitor.renew(owner)

    status, _ = await visitor.renew(stolen)

    assert status == 303

    async def refused() -> bool:
        # Both leases still run; the revocation reaches them by the bell.
        return {(await worker.verify(jar)).status_code for jar in (stolen, owner)} == {401}

    await wait_until_async(refused, "the copy and the owner's own lease to be refused")
    assert (await worker.verify(other)).status_code == 200
    assert (await visitor.record())["reason"] == "reuse"
    devices = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    marked = [device["id"] for device in devices if device["reuse_at_ms"]]
    assert marked == [visitor.device_key.rpartition(":")[2]]
    (event,) = await events(worker, "credential.reuse")
    assert json.loads(event["data"]) == {
        "session": visitor.session_key.rpartition(":")[2],
        "device": marked[0],
        "presented": 1,
        "current": 2,
    }
    stream: Any = await worker.store.redis.xrange(keys.revocations(keys.partition_of(ADA)))
    assert " session " in stream[-1][1]["e"]


async def test_reuse_is_told_once_a_sign_in(visitor: Visitor) -> None:
    """An old disk image that keeps knocking makes one alarm."""
    await visitor.age(_DAY_MS)
    _, owner = await visitor.renew()
    await visitor.set(n=5)
    for _ in range(3):
        assert (await visitor.renew(owner))[0] == 303

    assert len(await events(visitor.worker, "credential.reuse")) == 1


async def test_an_account_hears_of_reuse_five_times_a_day(visitor: Visitor) -> None:
    """Every copied sign-in ends; a drawer full of old disk images makes no flood of alarms."""
    for number in range(7):
        one = Visitor(visitor.worker, await visitor.worker.signed_in())
        await one.set(n=5)
        assert (await one.renew())[0] == 303, number
    today = len(await events(visitor.worker, "credential.reuse"))
    await visitor.worker.store.redis.hincrby(keys.account(ADA), "reuse_told_since_ms", -_DAY_MS)
    await visitor.set(n=5)
    await visitor.renew()

    assert (today, len(await events(visitor.worker, "credential.reuse"))) == (5, 6)


async def test_a_token_two_behind_is_reuse_even_in_grace(visitor: Visitor) -> None:
    """No browser that lost one answer is two counters behind."""
    await visitor.age(_DAY_MS)
    _, second = await visitor.renew()
    await visitor.age(_DAY_MS)
    _, third = await visitor.renew(second)
    assert visitor.n(third) == 3

    assert (await visitor.renew())[0] == 303
    assert (await visitor.record())["reason"] == "reuse"


async def test_a_store_that_lost_its_last_second_adopts_what_it_forgot(visitor: Visitor) -> None:
    """The rotation was answered, then a fail-over lost it: n+1 is signed, so it is right, and nobody is a thief."""
    lease = visitor.worker.lease(visitor.jar)
    stamp = await _new_epoch(visitor.worker)
    ahead = visitor.run_out()
    ahead[SESSION] = visitor.worker.seal(
        replace(lease, n=2, issued_at_ms=stamp - 4_000, lease_end_ms=stamp - 1, fresh_until_ms=stamp + _HOUR_MS)
    )

    answer = await visitor.worker.navigate(ahead)

    assert answer.status_code == 200
    assert (await visitor.record())["n"] == "2"
    assert await events(visitor.worker, "credential.reuse") == []


@pytest.mark.parametrize("issued_before_stamp_ms", [5_500, -6_000])
async def test_a_token_ahead_of_the_store_is_adopted_only_within_what_a_fail_over_can_lose(
    visitor: Visitor, issued_before_stamp_ms: int
) -> None:
    """Signed before the window or after the epoch began, no loss explains it."""
    lease = visitor.worker.lease(visitor.jar)
    stamp = await _new_epoch(visitor.worker)
    ahead = replace(lease, n=2, issued_at_ms=stamp - issued_before_stamp_ms, lease_end_ms=stamp - 1)

    answer = await visitor.worker.navigate({**visitor.jar, SESSION: visitor.worker.seal(ahead)})

    assert answer.status_code == 303
    assert (await visitor.record())["reason"] == "reuse"


async def test_nobody_is_accused_by_a_worker_that_has_not_heard_of_the_new_epoch(visitor: Visitor) -> None:
    """The first request after a fail-over may arrive before the first heartbeat: the worker asks for the epoch first.

    It passed the epoch it knew to the script, so a token of the lost second looked like a thief's.
    """
    worker = visitor.worker
    lease = worker.lease(visitor.jar)
    ahead = replace(lease, n=2, issued_at_ms=now_ms() - 1_000, lease_end_ms=now_ms() - 1)
    cookie = {**visitor.jar, SESSION: worker.seal(ahead)}
    # As if another server had taken over this instant; no heartbeat has seen it yet.
    await worker.store.redis.hset(keys.DEPLOYMENT, "run_id", "another")

    answer = await worker.navigate(cookie)

    assert answer.status_code == 200
    assert (await visitor.record())["n"] == "2"


async def _new_epoch(worker: Worker) -> int:
    before = worker.rooms.feed.registry_link.epoch
    await worker.store.redis.hset(keys.DEPLOYMENT, "run_id", "another")
    feed = worker.rooms.feed
    await wait_until_async(lambda: feed.registry_link.epoch != before and feed.holds(), "the new epoch to be heard")
    return feed.registry_link.epoch_stamp_ms


async def test_a_session_the_store_never_saw_is_refused_but_not_cleared(visitor: Visitor) -> None:
    """Evicted, erased, or never there: 401, the cookie stays, no alarm."""
    before = counted("unknown")
    await visitor.worker.store.redis.delete(visitor.session_key)

    answer = await visitor.worker.navigate(visitor.run_out(issued_at_ms=now_ms()))

    assert answer.status_code == 303
    assert "set-cookie" not in answer.headers
    assert await events(visitor.worker, "credential.reuse") == []
    assert counted("unknown") - before == 1


async def test_a_session_older_than_its_store_was_lost_and_its_cookie_stays(visitor: Visitor) -> None:
    """The store was emptied or exchanged: nobody's fault, counted apart, and the cookie may be good again."""
    before = counted("lost")
    jar = visitor.run_out()
    await visitor.worker.store.redis.flushall()
    # The worker has not heard of it yet: the check itself asks.
    answer = await visitor.worker.navigate(jar)

    assert answer.status_code == 303
    assert "set-cookie" not in answer.headers
    assert await events(visitor.worker, "credential.reuse") == []
    assert counted("lost") - before == 1


async def test_a_token_whose_family_is_past_every_limit_needs_no_row_to_be_over(visitor: Visitor) -> None:
    """The row went when no token of it could be good any more; that is no loss, and the cookie goes."""
    await visitor.worker.store.redis.delete(visitor.session_key)
    await visitor.worker.store.redis.hset(keys.DEPLOYMENT, "born_ms", 1)
    long_ago = now_ms() - 366 * _DAY_MS

    answer = await visitor.worker.navigate(visitor.run_out(authenticated_at_ms=long_ago))

    assert answer.status_code == 303
    assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize("remember", [True, False])
async def test_an_ended_sign_in_is_known_as_long_as_any_of_its_tokens_could_be_good(
    worker: Worker, remember: bool
) -> None:
    """Reuse, sign-out and limits leave the row as a tombstone, with the life it had from the start."""
    policy = worker.rooms.settings.session_policy()
    for end in ("reuse", "over", "ended by the website"):
        one = Visitor(worker, await worker.signed_in(remember=remember))
        if end == "reuse":
            await one.set(n=5)
        elif end == "over":
            await one.set(absolute_ms=1)
        else:
            await worker.api("DELETE", f"/v1/accounts/ada/sessions/{one.session_key.rpartition(':')[2]}")
        await one.renew()

        record, left_ms = await one.record(), int(await worker.store.redis.pttl(one.session_key))
        assert record["state"] == "ended", end
        good_until_ms = worker.lease(one.jar).authenticated_at_ms + policy.family_ms(remembered=remember)
        assert now_ms() + left_ms > good_until_ms + policy.lease_seconds * 1000, end


async def test_an_end_given_back_after_a_loss_is_an_end(visitor: Visitor) -> None:
    """The row knows nothing but that; it was taken for a loss."""
    await visitor.worker.store.redis.delete(visitor.session_key)
    await visitor.set(state="ended", reason="restored")

    answer = await visitor.worker.navigate(visitor.run_out())

    assert "Max-Age=0" in answer.headers["set-cookie"]


async def test_a_worker_that_cannot_know_the_time_accuses_nobody(
    visitor: Visitor, store_url: str, tmp_path: Path
) -> None:
    """Its fence does not hold, so it may not have heard of a loss or a clock: 503, and the next worker decides."""
    await visitor.set(n=5)
    keys_file = visitor.worker.rooms.settings.keys_path
    settings = settings_for(store_url, tmp_path / "deaf", keys_file=keys_file)
    async with running_worker(settings, make_store=Deaf, wait=False) as deaf:
        answer = await deaf.navigate(visitor.jar)

    assert answer.status_code == 503
    assert (await visitor.record())["state"] == "live"
