"""A call that hangs costs one thread, and holds up neither the loop nor the end of the process."""

import asyncio
import subprocess
import sys
import threading

import pytest

from latchstring_gateway.one_thread import OneThread, StillHanging


async def test_a_call_gives_what_it_gives_and_raises_what_it_raises() -> None:
    """In another thread."""
    one = OneThread("key file")

    assert await one.run(threading.current_thread, within_seconds=5) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        await one.run(lambda: 1 // 0, within_seconds=5)


async def test_at_most_one_thread_hangs() -> None:
    """Further calls are refused while it does, and served again when it has come back."""
    one, release = OneThread("key file"), threading.Event()
    before = threading.active_count()

    for _ in range(5):
        with pytest.raises(StillHanging, match="key file"):
            await one.run(release.wait, within_seconds=0.01)
    assert threading.active_count() - before == 1
    release.set()

    async with asyncio.timeout(5):
        while True:
            try:
                assert await one.run(lambda: 7, within_seconds=5) == 7
                break
            except StillHanging:
                await asyncio.sleep(0.01)


async def test_a_caller_that_is_cancelled_leaves_the_call_alone() -> None:
    """The thread goes on, and the next call waits for its end."""
    one, release = OneThread("key file"), threading.Event()
    task = asyncio.create_task(one.run(release.wait, within_seconds=5))
    await asyncio.sleep(0.01)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with pytest.raises(StillHanging):
        await one.run(lambda: 7, within_seconds=0.01)
    release.set()
    assert await one.run(lambda: 7, within_seconds=5) == 7


async def test_calls_at_the_same_time_take_turns() -> None:
    """Two looks at one file that happen to meet are no disk that hangs."""
    one = OneThread("key file")

    assert await asyncio.gather(*(one.run(lambda: 7, within_seconds=5) for _ in range(5))) == [7] * 5


_HANGS = """
import asyncio, threading
from latchstring_gateway.one_thread import OneThread
async def main():
    try:
        await OneThread("x").run(threading.Event().wait, within_seconds=0.01)
    except Exception as error:
        print(type(error).__name__)
asyncio.run(main())
"""


def test_a_process_ends_while_a_call_hangs() -> None:
    """A pool's threads are waited for at the end; a worker could not stop."""
    done = subprocess.run([sys.executable, "-c", _HANGS], capture_output=True, text=True, timeout=20, check=True)

    assert done.stdout.strip() == "StillHanging"
