"""Serving a hook: what one account, one event or the receiver itself does to everybody else's events."""

from typing import Any

import pytest

from harness.receivers import PATIENT, Stand
from latchstring_gateway.hooks.courier import GIVE_UP_SECONDS
from latchstring_gateway.hooks.registry import Hooks
from latchstring_gateway.store import keys


async def test_an_event_that_is_refused_held_up_the_hook_for_all_accounts(stand: Stand) -> None:
    """500 for one account's event and 204 for all others: nothing else was delivered, for up to 3 days."""
    stand.receiver.answers["evt_bad"] = [500] * PATIENT
    await stand.note("eve", "evt_bad")
    await stand.note("eve", "evt_next")
    for number in range(20):
        await stand.note(f"account-{number}", f"evt_{number}")
    await stand.deliver()
    first = stand.receiver.ids()
    await stand.deliver(every=1.0, times=60)
    waiting = await stand.standing()
    del stand.receiver.answers["evt_bad"]
    await stand.deliver(every=60, times=6)

    assert set(first) == {f"evt_{number}" for number in range(20)} | {"evt_bad"}
    assert "evt_next" not in first, "order is kept within the account"
    assert 4 <= stand.receiver.ids().count("evt_bad") < 12, "later and later"
    assert (waiting.state, waiting.held_accounts, waiting.reason) == ("partly", 1, "answered 500")
    assert stand.receiver.taken("evt_bad", "evt_next")
    assert (await stand.standing()).state == "ok"


async def test_what_is_held_for_an_account_outlives_the_deliverer(stand: Stand) -> None:
    """The next one, perhaps of another node, sends it in its order, and none of the others' again."""
    stand.receiver.answers["evt_0"] = [500]
    for number in range(3):
        await stand.note("eve", f"evt_{number}")
    await stand.note("ada", "evt_ada")
    await stand.deliver()
    stand.restart()
    await stand.note("eve", "evt_3")
    await stand.deliver(every=2, times=3)

    assert stand.receiver.ids() == ["evt_0", "evt_ada", "evt_0", "evt_1", "evt_2", "evt_3"]
    assert await stand.store.redis.keys("*:held:*") == []


async def test_the_queue_of_an_account_is_bounded(stand: Stand) -> None:
    """Behind a refused event at most 100 wait: then it is given up, listed with the reason, and the next is tried."""
    stand.receiver.answers |= {"evt_0": [500] * PATIENT, "evt_1": [500] * PATIENT, "evt_2": [500] * PATIENT}
    for number in range(130):
        await stand.note("eve", f"evt_{number}")
    await stand.deliver(every=0.3, times=8)

    dead = await stand.dead()
    assert dead == [(f"evt_{number}", "too many events of its account wait") for number in range(3)]
    assert stand.receiver.taken(*(f"evt_{number}" for number in range(3, 130)))


async def test_a_receiver_that_is_gone_was_tried_like_any_other(stand: Stand) -> None:
    """410: the hook is paused, which is shown, until somebody resumes it; then nothing is missing."""
    stand.receiver.answers["evt_0"] = [410]
    await stand.note("ada", "evt_0")
    await stand.deliver()
    await stand.note("bob", "evt_1")
    await stand.deliver(every=600, times=5)
    paused, pauses = await stand.standing(), await Hooks(stand.store, stand.clock).pauses()
    while_paused = stand.receiver.ids()
    await Hooks(stand.store, stand.clock).resume(stand.hook.id)
    await stand.deliver()

    assert while_paused == ["evt_0"]
    assert (paused.state, paused.reason) == ("paused", "answered 410 Gone")
    assert pauses[stand.hook.id].reason == "answered 410 Gone"
    assert stand.receiver.ids() == ["evt_0", "evt_0", "evt_1"]
    assert (await stand.standing()).state == "ok"


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_was_not_looked_at(stand: Stand, status: int) -> None:
    """The whole receiver is left alone for as long as it asked, and then all goes on."""
    stand.receiver.retry_after = "30"
    stand.receiver.answers["evt_0"] = [status]
    await stand.note("ada", "evt_0")
    await stand.deliver()
    await stand.note("bob", "evt_1")
    await stand.deliver(every=2.9, times=10)
    meanwhile = stand.receiver.ids()
    await stand.deliver(every=2, times=2)

    assert meanwhile == ["evt_0"]
    assert sorted(stand.receiver.ids()) == ["evt_0", "evt_0", "evt_1"]


async def test_retry_after_of_one_event_keeps_nobody_else_waiting_twice(stand: Stand) -> None:
    """503 with days to wait for one account's event: the others wait once, and an hour at the most."""
    stand.receiver.retry_after = "999999"
    stand.receiver.answers["evt_bad"] = [503] * PATIENT
    await stand.note("eve", "evt_bad")
    await stand.deliver()
    for hour in range(4):
        await stand.note("ada", f"evt_{hour}")
        await stand.deliver(every=1_000, times=4)
    sent = stand.receiver.ids()

    assert 4 <= sent.count("evt_bad") <= 5
    assert [event for event in sent if event != "evt_bad"] == ["evt_0", "evt_1", "evt_2", "evt_3"]


async def test_a_receiver_that_takes_nothing_is_tried_with_one_event_at_a_time(stand: Stand) -> None:
    """Not with every account's, and at the end nothing is missing and each account's order is kept."""
    stand.receiver.down = True
    for number in range(60):
        await stand.note(f"account-{number % 30}", f"evt_{number:02}")
    await stand.deliver(every=10, times=60)
    attempts, standing = len(stand.receiver.ids()), await stand.standing()
    stand.receiver.down = False
    stand.receiver.requests.clear()
    await stand.deliver(every=400, times=3)

    assert attempts < 20
    assert (standing.state, standing.backlog_seconds > 500) == ("failing", True)
    assert sorted(stand.receiver.ids()) == [f"evt_{number:02}" for number in range(60)]
    assert all(stand.receiver.taken(f"evt_{number:02}", f"evt_{number + 30:02}") for number in range(30))


async def test_refusals_of_everything_do_not_hide_an_account_that_would_be_taken(stand: Stand) -> None:
    """Ten accounts with events that a receiver cannot bear, then a good one: it waits seconds, not minutes."""
    for number in range(10):
        stand.receiver.answers[f"evt_bad_{number}"] = [500] * PATIENT
        await stand.note(f"eve-{number}", f"evt_bad_{number}")
    await stand.deliver(every=20, times=30)
    await stand.note("ada", "evt_good")
    await stand.deliver(every=1, times=7)

    assert "evt_good" in stand.receiver.ids()


async def test_what_nobody_took_for_days_is_dead_and_can_be_sent_once_more(stand: Stand) -> None:
    """Also if it was never tried, for the receiver was down; and a replay that fails is dead again."""
    stand.receiver.down = True
    await stand.note("ada", "evt_0")
    await stand.note("ada", "evt_1")
    await stand.deliver()
    stand.clock.advance(GIVE_UP_SECONDS + 60)
    await stand.deliver(every=60, times=3)
    dead = await stand.dead()
    stand.receiver.down = False
    stand.receiver.requests.clear()
    stand.receiver.answers["evt_0"] = [500]
    await stand.note("bob", "evt_new")
    await stand.deliver(every=400, times=2)
    replayed = await stand.replay()
    await stand.deliver(every=60, times=3)

    assert [event for event, _ in dead] == ["evt_0", "evt_1"]
    assert replayed == 2
    assert sorted(stand.receiver.ids()) == ["evt_0", "evt_1", "evt_new"]
    assert await stand.dead() == [("evt_0", "answered 500")]


async def test_a_url_that_was_stored_by_an_older_release_was_tried_four_times_a_second(stand: Stand) -> None:
    """The hook is paused with the reason, and nothing is attempted."""
    row = '{"url": "https://receiver.example:99999/", "secret": "whsec_AAAA", "created_at_ms": 1}'
    await stand.store.redis.hset(keys.HOOKS, "hook_old", row)
    await stand.note("ada", "evt_0")
    await stand.deliver(every=1, times=5)
    pauses = await Hooks(stand.store, stand.clock).pauses()

    assert "expected a port" in pauses["hook_old"].reason
    assert stand.receiver.ids() == ["evt_0"]


async def test_one_row_that_cannot_be_read_stops_no_hook(stand: Stand) -> None:
    """An event without its fields, a hook that is no JSON, a pause or standing that is none: each costs itself."""
    redis = stand.store.redis
    await stand.note("ada", "evt_0")
    fields: Any = {"id": "evt_x"}
    await redis.xadd(keys.outbox(0), fields)
    await redis.hset(keys.HOOKS, "hook_broken", "{")
    await redis.hset(keys.HOOK_PAUSES, "hook_other", "{")
    await redis.hset(keys.HOOK_STATES, "hook_other", "[]")
    await stand.note("bob", "evt_1")
    await stand.deliver()

    assert stand.receiver.ids() == ["evt_0", "evt_1"]
    assert (await stand.standing()).state == "ok"


async def test_a_hook_with_nothing_to_do_costs_one_look_for_all_hooks(stand: Stand) -> None:
    """Each hook read 256 outboxes and cursors, four times a second."""
    for number in range(9):
        await Hooks(stand.store, stand.clock).add(f"https://9.9.9.{number}/hook")
    await stand.deliver(every=10)
    before = await stand.commands()
    await stand.deliver(every=0.25)
    after = await stand.commands()

    assert after - before < keys.PARTITIONS + 30
