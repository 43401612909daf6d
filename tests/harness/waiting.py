"""Waiting for a condition instead of sleeping: the test goes on the moment it holds and says what it waited for."""

import asyncio
import time
from collections.abc import Awaitable, Callable


def wait_until(predicate: Callable[[], object], description: str, timeout_seconds: float = 60.0) -> None:
    """Poll `predicate` until it is true; AssertionError naming `description` after `timeout_seconds`."""
    deadline = time.monotonic() + timeout_seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_seconds:g} s in vain for: {description}")
        time.sleep(0.01)


async def wait_until_async(
    predicate: Callable[[], Awaitable[object]] | Callable[[], object], description: str, timeout_seconds: float = 60.0
) -> None:
    """The same inside an event loop; `predicate` may be a coroutine function."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        value = predicate()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_seconds:g} s in vain for: {description}")
        await asyncio.sleep(0.01)
