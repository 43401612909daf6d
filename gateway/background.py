"""Background work under one supervision: a step that fails is logged with its remedy, counted, and tried again.

In an event loop:

    background = Background(clock)
    background.forever("key_file", follow, every_seconds=1, within_seconds=5, remedy="restore the key file")

In a plain loop of a process or thread:

    work = Work(clock)
    work.task("ship", within_seconds=60, remedy="look at the disk").repeat(step, every_seconds=0.5, stop=stop)

Nothing that a step raises ends its task. A task that fails is logged once, with a traceback at most once a minute, and
again when it has recovered; repetitions are counted in latchstring_task_failures_total. `Work.troubles` lists what
fails or has not finished a turn within its time: readiness and the gauge latchstring_task_overdue show it.
A store that is away is no failure of a task: the store's own line of readiness says so.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection
from typing import Final, Literal, TypeAlias

import msgspec

from . import logs, metrics
from .clock import Clock
from .errors import StoreAway, StoreRefused

State: TypeAlias = Literal["failing", "overdue"]

#: The pause after a failure, doubled with each one that follows, up to the longest.
FIRST_RETRY_SECONDS: Final = 0.5
LONGEST_RETRY_SECONDS: Final = 10.0
#: A task that fails and recovers again and again writes at most one pair of lines in this time.
QUIET_SECONDS: Final = 60.0
#: How long a failure is shown of a task that has nothing to do since: long enough for a probe to see it.
SHOWN_SECONDS: Final = 10.0
#: A cancellation that does not end a task is repeated this often.
_CANCEL_AGAIN_SECONDS: Final = 1.0
#: An exception may quote what somebody sent.
_REASON_CHARS: Final = 300

_log: Final = logs.get("tasks")


class Trouble(msgspec.Struct, frozen=True):
    """What is wrong with a task: `failing` (its last turn raised) or `overdue` (no turn was finished in its time).

    `fault` is the type of the last exception, "" if there was none. Holds nothing that a client or visitor sent.
    """

    task: str
    state: State
    fault: str
    remedy: str


class Turns:
    """The turns of one task: when it last finished one, and what went wrong since. Methods never raise.

    The task is overdue if no turn ended well for `within_seconds`, unless it said `idle`: then nothing is due.
    """

    def __init__(self, name: str, clock: Clock, *, within_seconds: float, remedy: str) -> None:
        self.name = name
        self.remedy = remedy
        #: Failures since the last turn that ended well.
        self.failures = 0
        self._clock = clock
        self._within_ns = round(within_seconds * 1e9)
        self._due_since_ns: int | None = clock.boot_ns()
        self._fault = ""
        self._failed_ns = 0
        self._said_failing = False
        self._said_ns: int | None = None
        self._failures_total = metrics.TASK_FAILURES.labels(name)
        metrics.TASK_OVERDUE.labels(name).set(0)

    def begin(self) -> None:
        """Something is due from now on; only needed after `idle`."""
        if self._due_since_ns is None:
            self._due_since_ns = self._clock.boot_ns()

    def done(self) -> None:
        """A whole turn ended well."""
        self._due_since_ns = self._clock.boot_ns()
        if self._said_failing:
            _log.info("task_recovered", task=self.name, failures=self.failures)
            self._said_failing = False
        self.failures = 0

    def idle(self) -> None:
        """Nothing is due until `begin`; a failure is still shown for SHOWN_SECONDS."""
        self._due_since_ns = None

    def excused(self) -> None:
        """A turn could not be done for a reason that is reported elsewhere: neither a failure nor a success."""
        if not self.failures and self._due_since_ns is not None:
            self._due_since_ns = self._clock.boot_ns()

    def failed(self, fault: BaseException) -> float:
        """A turn raised; gives the seconds to wait before the next one."""
        if isinstance(fault, StoreAway) and not isinstance(fault, StoreRefused):
            self.excused()
            return FIRST_RETRY_SECONDS
        now_ns = self._clock.boot_ns()
        self.begin()
        self.failures += 1
        self._failures_total.inc()
        self._fault, self._failed_ns = type(fault).__name__, now_ns
        if not self._said_failing and (self._said_ns is None or now_ns - self._said_ns >= QUIET_SECONDS * 1e9):
            self._said_failing, self._said_ns = True, now_ns
            _log.error(
                "task_failed", task=self.name, reason=str(fault)[:_REASON_CHARS], remedy=self.remedy, exc_info=fault
            )
        return float(min(FIRST_RETRY_SECONDS * 2 ** min(self.failures - 1, 16), LONGEST_RETRY_SECONDS))

    def trouble(self) -> Trouble | None:
        """What is wrong at present; None if all is well."""
        state = self._state()
        return None if state is None else Trouble(self.name, state, self._fault, self.remedy)

    def _state(self) -> State | None:
        now_ns, since_ns = self._clock.boot_ns(), self._due_since_ns
        if self.failures and (since_ns is not None or now_ns - self._failed_ns < SHOWN_SECONDS * 1e9):
            return "failing"
        return "overdue" if since_ns is not None and now_ns - since_ns > self._within_ns else None

    def repeat(self, step: Callable[[], bool | None], *, every_seconds: float, stop: threading.Event) -> None:
        """Call `step` again and again until `stop` is set; at once again if it returns True: there was more to do."""
        while not stop.is_set():
            try:
                rest_seconds = 0.0 if step() else every_seconds
            except Exception as fault:
                rest_seconds = self.failed(fault)
            else:
                self.done()
            stop.wait(rest_seconds)


class Work:
    """All tasks of a process, by name. Names are few and fixed: they become labels of metrics."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turns: list[Turns] = []

    def task(self, name: str, *, within_seconds: float, remedy: str) -> Turns:
        """The record of a task. Several may have one name, such as the links to the servers of a Cluster."""
        turns = Turns(name, self._clock, within_seconds=within_seconds, remedy=remedy)
        self._turns.append(turns)
        return turns

    def forget(self, turns: Turns) -> None:
        """The task is no more, and nothing is due of it."""
        if turns in self._turns:
            self._turns.remove(turns)
        self._tell({turns.name}, set())

    def troubles(self) -> list[Trouble]:
        """What is wrong at present, sorted by name; brings the gauges up to date."""
        all_turns = list(self._turns)
        found = {trouble.task: trouble for turns in all_turns if (trouble := turns.trouble())}
        self._tell({turns.name for turns in all_turns}, found.keys())
        return [found[name] for name in sorted(found)]

    def overdue(self) -> list[str]:
        """The names of the tasks that fail or are overdue."""
        return [trouble.task for trouble in self.troubles()]

    def _tell(self, names: set[str], troubled: Collection[str]) -> None:
        for name in names:
            metrics.TASK_OVERDUE.labels(name).set(int(name in troubled))


Step: TypeAlias = Callable[[], Awaitable[object]]
EndlessStep: TypeAlias = Callable[[Turns], Awaitable[object]]


class Background:
    """The background tasks of an event loop. Every exception of a step is survived; only `close` ends a task."""

    def __init__(self, clock: Clock, work: Work | None = None) -> None:
        self.work = work or Work(clock)
        self._running: dict[asyncio.Task[None], Turns] = {}
        self._closing = False

    def forever(self, name: str, step: Step, *, every_seconds: float, within_seconds: float, remedy: str) -> Turns:
        """Await `step()` again and again, `every_seconds` after each end, until `close`; returns at once.

        Overdue if no turn ended well for `within_seconds`, be it that the step fails or that it hangs.
        """

        async def once(turns: Turns) -> None:
            await step()
            turns.done()

        return self._start(name, once, every_seconds=every_seconds, within_seconds=within_seconds, remedy=remedy)

    def hold(self, name: str, step: EndlessStep, *, every_seconds: float, within_seconds: float, remedy: str) -> Turns:
        """Keep a step going that runs until it breaks, such as a connection that is followed.

        The step is given its `Turns`, and says `done` whenever it has proved to be well, or `idle` while it waits for
        work. It is started again `every_seconds` after an end, later and later after failures in a row.
        """
        return self._start(name, step, every_seconds=every_seconds, within_seconds=within_seconds, remedy=remedy)

    async def close(self) -> None:
        """Cancel every task and return when all have ended. Idempotent."""
        self._closing = True
        while self._running:
            # Seen: a cancellation that meets a store call just as it ends is lost in the client library. Ask again.
            for task in self._running:
                task.cancel()
            await asyncio.wait(list(self._running), timeout=_CANCEL_AGAIN_SECONDS)

    def _start(
        self, name: str, step: EndlessStep, *, every_seconds: float, within_seconds: float, remedy: str
    ) -> Turns:
        turns = self.work.task(name, within_seconds=within_seconds, remedy=remedy)
        task = asyncio.create_task(self._keep(turns, step, every_seconds), name=name)
        self._running[task] = turns
        task.add_done_callback(self._ended)
        return turns

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.work.forget(self._running.pop(task))

    async def _keep(self, turns: Turns, step: EndlessStep, every_seconds: float) -> None:
        while not self._closing:
            try:
                await step(turns)
                rest_seconds = every_seconds
            except asyncio.CancelledError as stray:
                # Somebody else's, for instance of a task that the step awaited: no reason to end.
                if self._closing:
                    raise
                rest_seconds = turns.failed(stray)
            except Exception as fault:
                rest_seconds = turns.failed(fault)
            await asyncio.sleep(rest_seconds)
