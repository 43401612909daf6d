"""A worker's background life, from the first word to the store to the last."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple

from . import logs, metrics
from .hot_counts import HotTotal
from .revocation.feed import Feed
from .wiring import Rooms

#: How often a worker looks at its files, and asks which keys the others know.
_WATCH_SECONDS: Final = 1.0
#: How long one of these looks may take; calls to the store end after two seconds.
_WITHIN_SECONDS: Final = 8.0
#: How long a starting worker waits for the store before it answers all the same; loading takes a few hundredths.
_SETTLE_SECONDS: Final = 5.0
_SETTLE_PAUSE_SECONDS: Final = 0.02

_log: Final = logs.get("tasks")


class Task(NamedTuple):
    """A step that a worker does again and again (background.py)."""

    name: str
    step: Callable[[], Awaitable[object]]
    remedy: str
    every_seconds: float = _WATCH_SECONDS
    within_seconds: float = _WITHIN_SECONDS


class Running:
    """A worker's background life: `async with Running(rooms)` follows the store from entry to goodbye.

    Entering takes until the worker can judge, or knows that the store is away: workers share their listening socket, so
    one that listened before would answer 503 while its neighbours are well. `more` are tasks besides its own.
    """

    def __init__(
        self, rooms: Rooms, *, every_second: Callable[[], None] = lambda: None, more: tuple[Task, ...] = ()
    ) -> None:
        self._rooms = rooms
        self._every_second = every_second
        self._more = more
        self._fence_totals = [
            HotTotal(metrics.FENCES, event, read=partial(rooms.feed.fence_total, event))
            for event in ("renewed", "dropped", "lapsed")
        ]

    async def __aenter__(self) -> Rooms:
        await self._rooms.feed.start()
        await _settle(self._rooms.feed)
        if self._rooms.feed.loaded:
            # Registered by now, so whatever may be in use without being in our file is told.
            try:
                await self._rooms.key_watch.agree()
            except Exception as fault:
                # The task of that name does it again, and reports what lasts.
                _log.warning("agreement_put_off", reason=repr(fault))
        for task in (*self._tasks(), *self._more):
            self._rooms.background.forever(
                task.name,
                task.step,
                every_seconds=task.every_seconds,
                within_seconds=task.within_seconds,
                remedy=task.remedy,
            )
        if self._rooms.refiner.is_wanted:
            self._rooms.background.hold(
                "second_look",
                self._rooms.refiner.run,
                every_seconds=_WATCH_SECONDS,
                within_seconds=300,
                remedy="cards of devices keep what the first look found; LATCHSTRING_SECOND_LOOK=false does without",
            )
        return self._rooms

    async def __aexit__(self, *_exc: object) -> None:
        closing = [
            self._rooms.background.close,
            self._rooms.revoker.close,
            self._rooms.feed.close,
            self._rooms.feed.store.close,
        ]
        if self._rooms.bridge is not None:
            closing.insert(1, self._rooms.bridge.close)
        for close in (*closing, self._rooms.store.close):
            try:
                await close()
            except Exception as fault:
                # What comes after it is closed all the same: the goodbye to the registry, above all.
                _log.error("not_closed", reason=repr(fault))

    def _tasks(self) -> tuple[Task, ...]:
        rooms = self._rooms
        return (
            Task("key_file", rooms.key_watch.follow, "repair the key file; the keys in memory stay in use meanwhile"),
            # Apart from the file: a store that hangs must not keep a retired key alive.
            Task("key_agreement", rooms.key_watch.agree, "new keys do not sign until this worker hears the others"),
            Task("store_memory", self._remember, "a store put back from a backup is not noticed by this worker"),
            Task("node_health", rooms.node_watch.follow, "this worker's readiness knows nothing of other processes"),
            Task("figures", self._tell, "the metrics of this worker stand still"),
            Task("places", rooms.place_watch.follow, "replace the file of places; the former data stay in use"),
        )

    async def _remember(self) -> None:
        feed = self._rooms.feed
        await self._rooms.memory.keep_watch(feed.contact_store_ms if feed.holds() else 0)

    async def _tell(self) -> None:
        for total in self._fence_totals:
            total.flush()
        metrics.FENCE_HOLDS.set(int(self._rooms.feed.holds()))
        self._rooms.key_watch.tell()
        self._rooms.work.troubles()
        self._every_second()


async def _settle(feed: Feed) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_SECONDS):
            while not (feed.loaded or feed.store_away):
                await feed.refresh()
                await asyncio.sleep(_SETTLE_PAUSE_SECONDS)
