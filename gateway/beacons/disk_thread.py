"""One thread for what waits for the disk, in the order it was asked for, so that the event loop never does."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


class DiskThread:
    """Started when it is first needed."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    def run(self, act: Callable[[], _T]) -> asyncio.Future[_T]:
        """What `act` gives or raises, awaited by the running event loop."""
        return asyncio.get_running_loop().run_in_executor(self._pool, act)

    def close(self) -> None:
        """End the thread, when what it does is done."""
        self._pool.shutdown()
