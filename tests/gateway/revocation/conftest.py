"""Feeds on a real store, closed after each test."""

from collections.abc import AsyncIterator

import pytest

from harness.following import Following, MakeFeed
from latchstring_gateway.clock import Clock, SystemClock


@pytest.fixture
async def make_feed() -> AsyncIterator[MakeFeed]:
    """Makes feeds; each is started and may not follow yet."""
    made: list[Following] = []

    async def make(
        url: str, worker: str = "w.1.x", *, clock: Clock | None = None, timeout_seconds: float = 1.0
    ) -> Following:
        made.append(Following(url, worker, clock or SystemClock(), timeout_seconds))
        await made[-1].feed.start()
        return made[-1]

    yield make
    for one in made:
        await one.feed.close()
        await one.store.close()
