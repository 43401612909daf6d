"""What a heartbeat tells of the store: since when it is there, what it may have lost, whether its clock ran evenly."""

from collections.abc import AsyncIterator

import pytest

from harness.worker_app import now_ms
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.revocation.pulse import History, Pulse
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An empty store."""
    made = Store(store_url)
    yield made
    await made.close()


async def _fail_over(store: Store, *, heard_ms: int) -> None:
    # What a promoted replica holds: the former primary's run id, and pulses up to the last one that reached it.
    await store.redis.hset(keys.DEPLOYMENT, mapping={"run_id": "another", "pulse_ms": str(heard_ms)})


async def test_a_store_in_its_first_epoch_has_lost_nothing_and_knows_its_age(store: Store) -> None:
    """Born now; nothing before that was ever here."""
    first = await Pulse(store, SystemClock(), "w.1.x").send()
    second = await Pulse(store, SystemClock(), "w.2.x").send()

    assert (first.history.losses, first.history.even_since_ms, first.stamp_ms) == ("", 0, 0)
    assert abs(first.history.born_ms - now_ms()) < 5_000
    assert second.history == first.history
    assert first.history.may_lack(first.history.born_ms - 1)
    assert not first.history.may_lack(first.history.born_ms)


async def test_a_fail_over_may_have_lost_what_came_after_the_last_pulse_that_survived(store: Store) -> None:
    """However long nobody served: the loss reckoned from the new epoch alone missed fail-overs of more than 5 s."""
    pulse = Pulse(store, SystemClock(), "w.1.x")
    await pulse.send()
    heard_ms = now_ms() - 40_000
    await store.redis.hset(keys.DEPLOYMENT, "born_ms", "1")
    await _fail_over(store, heard_ms=heard_ms)

    after = await pulse.send()

    history = after.history
    assert history.losses.split() == [f"{heard_ms - 5_000}-{after.stamp_ms}"]
    assert history.even_since_ms == after.stamp_ms, "another machine, another clock"
    assert [history.may_lack(at) for at in (heard_ms - 5_001, heard_ms, after.stamp_ms, after.stamp_ms + 1)] == [
        False,
        True,
        True,
        False,
    ]
    assert not history.may_lack(now_ms() - 60_000)


async def test_a_successor_whose_clock_is_behind_knows_what_the_former_store_wrote_last(store: Store) -> None:
    """Its stamp lies before the lost writes; a pulse of a clock that was never right says nothing."""
    pulse = Pulse(store, SystemClock(), "w.1.x")
    await pulse.send()
    heard_ms = now_ms() + 55_000
    await _fail_over(store, heard_ms=heard_ms)
    await store.redis.hset(keys.PULSES, "w.4.x", str(now_ms() + 3_600_000))

    history = (await pulse.send()).history

    assert history.losses.split() == [f"{heard_ms - 5_000}-{heard_ms + 5_000}"]


async def test_losses_are_remembered_over_later_epochs_and_bounded(store: Store) -> None:
    """Somebody whose token was lost comes back after the next fail-over too; 64 are kept, the oldest go."""
    pulse = Pulse(store, SystemClock(), "w.1.x")
    await pulse.send()
    heard = [now_ms() - 1_000_000 + 1_000 * number for number in range(70)]
    for at in heard:
        await _fail_over(store, heard_ms=at)
        history = (await pulse.send()).history

    spans = history.losses.split()
    assert [int(span.split("-")[0]) for span in spans] == [at - 5_000 for at in heard[-64:]]
    assert all(len(span) == 27 for span in spans)


@pytest.mark.parametrize(("seconds", "steps"), [(3_600, True), (-3_600, True), (6, True), (4, False), (0, False)])
async def test_a_store_whose_clock_was_set_is_found_by_the_workers_steady_clock(
    store: Store, seconds: int, steps: bool
) -> None:
    """Once, for all workers; a slow answer is no step."""
    clock = ManualClock()
    pulse = Pulse(store, clock, "w.1.x")
    other = Pulse(store, SystemClock(), "w.2.x")
    await other.send()
    await pulse.send()
    # The store's own clock cannot be set here: the worker's steady one runs the other way instead.
    clock.advance(-seconds)

    found = await pulse.send()
    again = await pulse.send()
    heard = await other.send()

    assert bool(found.history.even_since_ms) is steps
    assert found.history == again.history == heard.history


def test_a_history_without_losses_lacks_nothing() -> None:
    """A worker that has heard nothing yet."""
    assert not History().may_lack(1)
