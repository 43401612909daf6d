"""Serving one hook: the next event of each account that may be tried, a few at a time, and what comes of it.

At least once, and in order within an account: the next event of an account is sent when the one before was taken or
given up. Whatever happens to one account's events keeps no other account's waiting.
"""

import asyncio
from typing import Final

from .. import logs, metrics
from ..clock import Clock
from ..store.client import Store
from .attempt import Outcome, Poster
from .backlog import MAX_HELD_EVENTS, Backlog, Queue
from .dead import DeadEvents
from .event import Event, Position
from .health import WIDTH, Health, State
from .outbox import Outbox
from .registry import Hook, Hooks, Pause
from .standing import Standing, Standings

#: How long one event is tried before it is put with the dead ones.
GIVE_UP_SECONDS: Final = 3 * 86_400
#: How often a courier that waits for an answer looks for more to send.
LOOK_SECONDS: Final = 0.25
_CROWDED: Final = "too many events of its account wait"
_REPORT_SECONDS: Final = 5.0
_SWEEP_SECONDS: Final = 30.0

_log: Final = logs.get("hooks")


class Courier:
    """Serves one hook for one deliverer; all of its figures are read from the store when it begins."""

    def __init__(self, store: Store, clock: Clock, poster: Poster, hook: Hook, *, first_retry_seconds: float) -> None:
        self.hook = hook
        #: Whether somebody, or the receiver, wants nothing to be sent.
        self.is_paused = False
        self._clock = clock
        self._poster = poster
        self._outbox = Outbox(store)
        self._hooks = Hooks(store, clock)
        self._dead = DeadEvents(store)
        self._standings = Standings(store)
        self._backlog = Backlog(store, hook)
        self._first_retry_seconds = first_retry_seconds
        self._health = Health(clock, first_retry_seconds)
        self._busy: dict[asyncio.Task[Outcome], tuple[Event, Queue | None, str]] = {}
        self._accounts: set[str] = set()
        self._is_loaded = False
        self._state: State = "ok"
        self._reported_ns: int | None = None
        self._swept_ns = 0
        self._prefers_held = False
        self._replays: list[tuple[str, Event]] = []

    def obey(self, pause: Pause | None) -> None:
        """Send nothing from now on, or send again."""
        if pause is None and self.is_paused:
            # Whoever resumes it has seen to the receiver: nothing is held against it.
            self._health = Health(self._clock, self._first_retry_seconds)
            for queue in self._backlog.queues.values():
                queue.failures, queue.not_before_ns = 0, 0
        self.is_paused = pause is not None
        if pause is not None:
            self._health.last_reason = pause.reason

    async def serve(self, ends: list[Position]) -> int:
        """Send what may be sent until nothing is under way; how many events were taken. Raises StoreAway.

        `ends` is where the outboxes end.
        """
        taken = 0
        if not self._is_loaded:
            await self._backlog.load()
            self._is_loaded = True
        await self._look(ends)
        try:
            while await self._begin() or self._busy:
                done, _ = await asyncio.wait(self._busy, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    taken += await self._settle(task)
                if not done:
                    await self._look(await self._outbox.ends())
                await self._report()
        finally:
            for task in self._busy:
                task.cancel()
            await asyncio.gather(*self._busy, return_exceptions=True)
            self._busy.clear()
            self._accounts.clear()
        await self._report()
        return taken

    async def _look(self, ends: list[Position]) -> None:
        await self._backlog.fill(ends)
        for queue in self._backlog.overfull():
            # The refused event first: perhaps the next ones are taken. Twice the bound is never passed.
            await self._give_up(queue, _CROWDED)
            while len(queue.waiting) > 2 * MAX_HELD_EVENTS:
                await self._give_up(queue, _CROWDED)
        now_ns = self._clock.boot_ns()
        if now_ns - self._swept_ns >= _SWEEP_SECONDS * 1e9:
            self._swept_ns = now_ns
            self._replays = await self._dead.replays(self.hook.id, count=20)
            if self.is_paused or self._health.is_failing:
                await self._sweep()

    async def _sweep(self) -> None:
        """Give up what is too old, though it cannot be tried: the outbox would forget it unnoticed."""
        oldest_ms = self._clock.wall_ms() - GIVE_UP_SECONDS * 1000
        for queue in list(self._backlog.queues.values()):
            while queue.waiting and queue.waiting[0][0][0] < oldest_ms and queue.account not in self._accounts:
                await self._give_up(queue, "the receiver took nothing for 3 days")

    async def _begin(self) -> bool:
        """Start attempts, as many as may be under way; whether any was started."""
        before = len(self._busy)
        while not self.is_paused:
            manner = self._health.may_send()
            if manner == "none" or len(self._busy) >= (WIDTH if manner == "any" else 1):
                break
            queue = self._due(fresh_only=manner == "fresh")
            if queue is None:
                if manner != "any" or not self._replays:
                    break
                place, replayed = self._replays.pop(0)
                self._start(replayed, None, place)
                continue
            event = await self._backlog.first(queue)
            if event is None:
                await self._backlog.dealt_with(queue)
            else:
                self._start(event, queue, "")
        return len(self._busy) > before

    def _due(self, *, fresh_only: bool) -> Queue | None:
        """The account whose turn it is: by turns one that was not refused yet and one that was."""
        fresh = next((queue for queue in self._backlog.queues.values() if self._may_try(queue, held=False)), None)
        if fresh_only:
            return fresh
        held = min(
            (queue for queue in self._backlog.held if self._may_try(queue, held=True)),
            key=lambda queue: queue.not_before_ns,
            default=None,
        )
        self._prefers_held = not self._prefers_held
        return (held or fresh) if self._prefers_held else (fresh or held)

    def _may_try(self, queue: Queue, *, held: bool) -> bool:
        return (
            queue.is_held is held
            and bool(queue.waiting)
            and queue.account not in self._accounts
            and queue.not_before_ns <= self._clock.boot_ns()
        )

    def _start(self, event: Event, queue: Queue | None, place: str) -> None:
        if queue is not None:
            self._accounts.add(queue.account)
        self._health.tried()
        # Awaited by `serve`, which takes its outcome; it raises nothing.
        task = asyncio.create_task(self._poster.post(self.hook, event))
        self._busy[task] = (event, queue, place)

    async def _settle(self, task: asyncio.Task[Outcome]) -> int:
        event, queue, place = self._busy.pop(task)
        outcome = task.result()
        metrics.HOOK_ATTEMPTS.labels(outcome.kind).inc()
        _log.debug("hook_attempt", hook=self.hook.id, event_id=event.id, outcome=outcome.kind, reason=outcome.reason)
        if queue is not None:
            self._accounts.discard(queue.account)
        if outcome.kind in ("gone", "unusable"):
            await self._pause(outcome.reason)
            return 0
        self._health.heard("" if queue is None else queue.account, outcome)
        if queue is None:
            await self._replayed(event, place, outcome)
        elif outcome.kind == "delivered":
            queue.failures = 0
            await self._backlog.dealt_with(queue)
        elif self._clock.wall_ms() - event.at_ms > GIVE_UP_SECONDS * 1000:
            await self._give_up(queue, outcome.reason)
        elif outcome.kind != "unreachable":
            queue.failures += 1
            queue.not_before_ns = self._health.retry_ns(queue.failures, outcome.retry_after_seconds)
            await self._backlog.hold(queue)
        elif queue.is_held:
            queue.not_before_ns = self._health.retry_ns(1)
        return int(outcome.kind == "delivered")

    async def _replayed(self, event: Event, place: str, outcome: Outcome) -> None:
        if outcome.kind != "delivered":
            await self._dead.bury(self.hook.id, event, outcome.reason)
        await self._dead.replayed(self.hook.id, place)

    async def _give_up(self, queue: Queue, reason: str) -> None:
        event = await self._backlog.first(queue)
        if event is not None:
            await self._dead.bury(self.hook.id, event, reason)
            metrics.HOOK_ATTEMPTS.labels("given_up").inc()
            _log.debug("hook_gave_up", hook=self.hook.id, event_id=event.id, reason=reason)
        queue.failures, queue.not_before_ns = 0, 0
        await self._backlog.dealt_with(queue)

    async def _pause(self, reason: str) -> None:
        if not self.is_paused:
            self.is_paused = True
            self._health.last_reason = reason
            await self._hooks.pause(self.hook.id, reason)

    def _now(self) -> State:
        if self.is_paused:
            return "paused"
        if self._health.is_failing:
            return "failing"
        return "partly" if self._backlog.held else "ok"

    async def _report(self) -> None:
        """Tell a change of state at once, and the figures now and then."""
        state, now_ns = self._now(), self._clock.boot_ns()
        has_changed = state != self._state
        if has_changed or self._reported_ns is None or now_ns - self._reported_ns >= _REPORT_SECONDS * 1e9:
            self._reported_ns = now_ns
            now_ms, oldest_ms = self._clock.wall_ms(), self._backlog.oldest_ms()
            standing = Standing(
                state=state,
                reason=self._health.last_reason,
                failing_since_ms=self._health.failing_since_ms or 0,
                backlog_seconds=0 if oldest_ms is None else max(0, now_ms - oldest_ms) // 1000,
                held_accounts=len(self._backlog.held),
                dead=await self._dead.count(self.hook.id),
                at_ms=now_ms,
            )
            if has_changed:
                self._tell(standing)
            await self._standings.put(self.hook.id, standing)
            standing.show(self.hook.id)

    def _tell(self, standing: Standing) -> None:
        self._state = standing.state
        said = {"hook": self.hook.id, "reason": standing.reason, "dead": standing.dead}
        if standing.state == "ok":
            _log.info("hook_well", **said)
        elif standing.state == "partly":
            _log.warning("hook_refuses_some", **said, accounts=standing.held_accounts)
        elif standing.state == "failing":
            _log.warning("hook_failing", **said)
        else:
            _log.warning("hook_paused", **said, remedy="see to its receiver, then: latchstring hooks resume")
