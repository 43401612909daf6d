"""Background work goes on whatever a step raises, and what fails or hangs is told."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from harness.waiting import wait_until_async
from latchstring_gateway.background import (
    LONGEST_RETRY_SECONDS,
    QUIET_SECONDS,
    SHOWN_SECONDS,
    Background,
    Trouble,
    Turns,
    Work,
)
from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.errors import StoreAway, StoreRefused
from latchstring_gateway.metrics import TASK_FAILURES, TASK_OVERDUE


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock()


@pytest.fixture
def turns(clock: ManualClock) -> Turns:
    """A task that must finish a turn within five seconds."""
    return Work(clock).task("sweep", within_seconds=5, remedy="look at the broom")


def test_a_failure_is_logged_with_its_remedy_and_repetitions_are_only_counted(turns: Turns, clock: ManualClock) -> None:
    """One line and one traceback when it begins to fail, one line when it has recovered."""
    before = TASK_FAILURES.labels("sweep")._value.get()
    with capture_logs() as lines:
        for _ in range(50):
            turns.failed(ValueError("no broom"))
            clock.advance(1)
        turns.done()
        turns.done()

    assert [line["event"] for line in lines] == ["task_failed", "task_recovered"]
    assert lines[0]["remedy"] == "look at the broom"
    assert lines[0]["exc_info"] is not None
    assert lines[1]["failures"] == 50
    assert TASK_FAILURES.labels("sweep")._value.get() - before == 50


def test_a_task_that_fails_every_other_turn_does_not_fill_the_log(turns: Turns, clock: ManualClock) -> None:
    """An hour of failing and recovering each second: one pair of lines a minute."""
    with capture_logs() as lines:
        for _ in range(3_600):
            turns.failed(ValueError("no broom"))
            turns.done()
            clock.advance(1)

    assert len(lines) == 2 * 3_600 / QUIET_SECONDS


def test_a_failure_within_the_quiet_time_is_logged_after_it(turns: Turns, clock: ManualClock) -> None:
    """Recovered at once and then broken for good: the second failure must not stay unsaid."""
    turns.failed(ValueError("once"))
    turns.done()
    with capture_logs() as lines:
        for _ in range(70):
            turns.failed(ValueError("for good"))
            clock.advance(1)

    assert [line["event"] for line in lines] == ["task_failed"]


def test_the_pauses_after_failures_grow_and_are_bounded(turns: Turns) -> None:
    """Doubling, never longer than the longest, also after thousands; short again after a success."""
    pauses = [turns.failed(ValueError()) for _ in range(3_000)]
    turns.done()

    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert max(pauses) == pauses[-1] == LONGEST_RETRY_SECONDS
    assert turns.failed(ValueError()) == 0.5


def test_a_task_is_reported_while_it_fails_and_when_it_hangs(clock: ManualClock) -> None:
    """By a failure at once, by silence after its time; a whole turn clears both, in the gauge too."""
    gauge, work = TASK_OVERDUE.labels("sweep"), Work(clock)
    turns = work.task("sweep", within_seconds=5, remedy="look at the broom")
    assert work.troubles() == []
    assert gauge._value.get() == 0

    turns.failed(ValueError("account-1234"))
    assert work.troubles() == [Trouble("sweep", "failing", "ValueError", "look at the broom")]
    assert gauge._value.get() == 1
    turns.done()
    assert work.troubles() == []
    clock.advance(5.1)
    assert work.troubles() == [Trouble("sweep", "overdue", "ValueError", "look at the broom")]
    assert gauge._value.get() == 1
    turns.done()
    assert work.overdue() == []
    assert gauge._value.get() == 0


def test_of_several_tasks_of_one_name_one_that_is_well_hides_none_that_is_not(clock: ManualClock) -> None:
    """The links to the servers of a Cluster are one task by name."""
    work = Work(clock)
    links = [work.task("follow", within_seconds=5, remedy="look") for _ in range(3)]

    links[1].failed(ValueError())

    assert work.overdue() == ["follow"]
    assert TASK_OVERDUE.labels("follow")._value.get() == 1
    work.forget(links[1])
    assert TASK_OVERDUE.labels("follow")._value.get() == 0
    assert work.overdue() == []


def test_a_task_that_waits_for_work_is_never_overdue(turns: Turns, clock: ManualClock) -> None:
    """Nothing is due before something came; a failure is shown for a while and does not stay for ever."""
    turns.idle()
    clock.advance(86_400)
    assert turns.trouble() is None

    turns.begin()
    clock.advance(6)
    assert turns.trouble() is not None
    turns.failed(ValueError())
    turns.idle()
    assert turns.trouble() is not None
    clock.advance(SHOWN_SECONDS)
    assert turns.trouble() is None


def test_an_absent_store_is_no_failure_of_a_task_but_a_refusal_is(turns: Turns, clock: ManualClock) -> None:
    """Readiness names the store; a script that the store refuses is a fault that waiting does not mend."""
    with capture_logs() as lines:
        for _ in range(10):
            clock.advance(1)
            turns.failed(StoreAway())
        assert turns.trouble() is None
        turns.failed(StoreRefused())

    assert turns.trouble() is not None
    assert len(lines) == 1


def test_an_absent_store_hides_no_failure(turns: Turns, clock: ManualClock) -> None:
    """A task that failed before the store went is still failing."""
    turns.failed(ValueError())
    turns.failed(StoreAway())

    assert turns.trouble() is not None


def test_a_plain_loop_survives_its_steps_and_ends_when_told(clock: ManualClock, turns: Turns) -> None:
    """A step that raises is tried again; one with more to do is repeated at once."""
    stop = threading.Event()
    answers: Iterator[object] = iter([True, True, ZeroDivisionError(), True])

    def step() -> bool:
        answer = next(answers, None)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            stop.set()
        return bool(answer)

    turns.repeat(step, every_seconds=0, stop=stop)

    assert turns.trouble() is None


async def test_a_task_goes_on_after_whatever_its_step_raises() -> None:
    """Also after a cancellation that was not its own."""
    background = Background(SystemClock())
    raised: Iterator[BaseException | None] = iter([ValueError(), RuntimeError("the handler is closed"), None])
    whole = asyncio.Event()

    async def step() -> None:
        fault = next(raised, None)
        if fault is not None:
            raise fault
        whole.set()

    turns = background.forever("sweep", step, every_seconds=0.01, within_seconds=5, remedy="look")
    async with asyncio.timeout(5):
        await whole.wait()
    assert turns.failures == 0
    await background.close()


async def test_a_cancellation_of_somebody_else_does_not_end_a_task() -> None:
    """A step that awaits what another has cancelled hears of it as if it were cancelled itself."""
    background = Background(SystemClock())
    turned = 0

    async def step() -> None:
        nonlocal turned
        turned += 1
        if turned == 1:
            lost = asyncio.get_running_loop().create_future()
            lost.cancel()
            await lost

    background.forever("sweep", step, every_seconds=0.01, within_seconds=5, remedy="look")
    await wait_until_async(lambda: turned > 2, "the task to go on")
    await background.close()


async def test_what_runs_until_it_breaks_is_begun_again() -> None:
    """A connection that is followed: each end, silent or not, is followed by another beginning."""
    background = Background(SystemClock())
    begun = 0

    async def follow(turns: Turns) -> None:
        nonlocal begun
        begun += 1
        turns.done()
        if begun == 1:
            raise ConnectionResetError
        if begun == 3:
            await asyncio.Event().wait()

    background.hold("follow", follow, every_seconds=0.01, within_seconds=5, remedy="look")
    await wait_until_async(lambda: begun == 3, "the third connection")
    assert background.work.overdue() == []
    await background.close()


async def test_closing_ends_every_task_also_one_that_lost_its_cancellation() -> None:
    """Some libraries swallow one; it is asked again, and nothing is left behind."""
    background = Background(SystemClock())
    swallowed = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.set()

    background.forever("stubborn", stubborn, every_seconds=0, within_seconds=5, remedy="look")
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await background.close()

    assert swallowed.is_set()
    assert len(asyncio.all_tasks()) == 1
    await background.close()


def test_a_task_that_is_forgotten_is_reported_no_more(clock: ManualClock) -> None:
    """A link to a server that left the Cluster is not overdue for ever."""
    work = Work(clock)
    turns = work.task("follow", within_seconds=1, remedy="look")
    turns.failed(ValueError())

    work.forget(turns)

    assert work.troubles() == []
