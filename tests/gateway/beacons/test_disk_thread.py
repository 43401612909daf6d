"""What waits for the disk is done in order, beside the event loop."""

import asyncio
import threading

import pytest

from latchstring_gateway.beacons.disk_thread import DiskThread


async def test_acts_are_done_one_after_the_other_and_not_by_the_loop() -> None:
    """The loop goes on meanwhile, and hears what came of each."""
    thread = DiskThread("disk")
    may_go = threading.Event()
    first = thread.run(lambda: may_go.wait(10))
    second = thread.run(lambda: (may_go.is_set(), threading.current_thread().name))

    await asyncio.sleep(0)
    assert not second.done()
    may_go.set()

    assert await first
    was_set, name = await second
    assert was_set
    assert name.startswith("disk")
    thread.close()


async def test_what_an_act_raises_reaches_whoever_awaits_it() -> None:
    """And the thread goes on."""
    thread = DiskThread("disk")

    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda: 1 // 0)

    assert await thread.run(lambda: 7) == 7
    thread.close()
