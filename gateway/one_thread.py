"""Calls that may hang, such as a look at a file on a network's disk, made in a thread that nobody waits for at the end.

`asyncio.to_thread` would do for calls that end: each one that hangs there takes a thread of the loop's pool for good,
and the process cannot end before it does.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class StillHanging(Exception):
    """The call before has not come back; the argument says what was called for."""

    def __str__(self) -> str:
        return f"{self.args[0]}: the disk has not answered for a while"


class OneThread:
    """Makes one call after the other, each in a daemon thread; while one hangs, further ones are refused."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._under_way: asyncio.Future[object] | None = None

    async def run(self, call: Callable[[], T], *, within_seconds: float) -> T:
        """What `call` gives or raises. StillHanging if this one, or the one before, has not come back in time."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + within_seconds
        while self._under_way is not None and not self._under_way.done():
            left_seconds = ends_at - loop.time()
            if left_seconds <= 0:
                raise StillHanging(self._name)
            await asyncio.wait({self._under_way}, timeout=left_seconds)
        answered: asyncio.Future[T] = loop.create_future()
        # One that is given up is never asked for its exception.
        answered.add_done_callback(lambda future: future.cancelled() or future.exception())

        def answer(value: T | None, fault: Exception | None) -> None:
            if answered.done():
                return
            if fault is not None:
                answered.set_exception(fault)
            else:
                answered.set_result(value)  # type: ignore[arg-type]  # None only where `call` gives it

        def work() -> None:
            value, fault = None, None
            try:
                value = call()
            except Exception as error:
                fault = error
            # The loop may have ended meanwhile.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(answer, value, fault)

        self._under_way = answered  # type: ignore[assignment]  # only asked whether it is done
        threading.Thread(target=work, name=self._name, daemon=True).start()
        done, _pending = await asyncio.wait({answered}, timeout=max(0.0, ends_at - loop.time()))
        if not done:
            raise StillHanging(self._name)
        return answered.result()
