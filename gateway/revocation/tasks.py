"""Tasks in the background that are surely ended."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """Holds what it has spawned until it is done."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it from the next turn of the loop on."""
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def __len__(self) -> int:
        """How many are not done."""
        return len(self._tasks)

    async def close(self) -> None:
        """Cancel all of them and return when they have ended."""
        ending = list(self._tasks)
        pending = set(ending)
        while pending:
            # Seen: a cancellation that meets a store call just as it ends is lost in the client library. Ask again.
            for task in pending:
                task.cancel()
            _done, pending = await asyncio.wait(pending, timeout=1.0)
        await asyncio.gather(*ending, return_exceptions=True)
