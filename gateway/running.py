"""A worker's background life, from the first word to the store to the last."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Final

from . import metrics
from .revocation.feed import Feed
from .wiring import Rooms

#: How often a worker looks at its files, and asks which keys the others know.
_WATCH_SECONDS: Final = 1.0
#: How long a starting worker waits for the store before it answers all the same; loading takes a few hundredths.
_SETTLE_SECONDS: Final = 5.0
_SETTLE_PAUSE_SECONDS: Final = 0.02


class Running:
    """A worker's background life: `async with Running(rooms)` follows the store from entry to goodbye.

    Entering takes until the worker can judge, or knows that the store is away: workers share their listening socket, so
    one that listened before would answer 503 while its neighbours are well.
    """

    def __init__(self, rooms: Rooms, *, every_second: Callable[[], None] = lambda: None) -> None:
        self._rooms = rooms
        self._every_second = every_second
        self._fence_totals = [
            metrics.HotTotal(metrics.FENCES, event, read=partial(rooms.feed.fence_total, event))
            for event in ("renewed", "dropped", "lapsed")
        ]
        self._watching: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Rooms:
        await self._rooms.feed.start()
        await _settle(self._rooms.feed)
        if self._rooms.feed.loaded:
            # Registered by now, so whatever may be in use without being in our file is told.
            await self._rooms.key_watch.agree()
        lives = (self._watch(), self._agree(), self._rooms.refiner.run())
        self._watching = [asyncio.create_task(life) for life in lives]
        return self._rooms

    async def __aexit__(self, *_exc: object) -> None:
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        if self._rooms.bridge is not None:
            await self._rooms.bridge.close()
        await self._rooms.feed.close()
        await self._rooms.feed.store.close()
        await self._rooms.store.close()

    async def _watch(self) -> None:
        while True:
            self._rooms.key_watch.follow_file()
            self._every_second()
            self._tell_fence()
            self._rooms.key_watch.tell()
            self._rooms.place_watch.follow()
            await asyncio.sleep(_WATCH_SECONDS)

    async def _agree(self) -> None:
        # Apart from the file: a store that hangs must not keep a retired key alive.
        while True:
            await self._rooms.key_watch.agree()
            feed = self._rooms.feed
            await self._rooms.memory.keep_watch(feed.contact_store_ms if feed.holds() else 0)
            await asyncio.sleep(_WATCH_SECONDS)

    def _tell_fence(self) -> None:
        for total in self._fence_totals:
            total.flush()
        metrics.FENCE_HOLDS.set(int(self._rooms.feed.holds()))


async def _settle(feed: Feed) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_SECONDS):
            while not (feed.loaded or feed.store_away):
                await feed.refresh()
                await asyncio.sleep(_SETTLE_PAUSE_SECONDS)
