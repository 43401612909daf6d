"""One timer, however often it is asked for."""

import asyncio

from harness.waiting import wait_until_async
from latchstring_gateway.beacons.alarm import Alarm


async def test_the_earliest_time_wins_and_it_rings_once() -> None:
    """Whoever asks for a later time gets the earlier one."""
    rang: list[float] = []
    loop = asyncio.get_running_loop()
    alarm = Alarm(lambda: rang.append(loop.time()))
    began = loop.time()

    alarm.within(60)
    for _ in range(100):
        alarm.within(0.02)
        alarm.within(30)

    await wait_until_async(lambda: bool(rang), "it rings")
    await asyncio.sleep(0.05)
    assert len(rang) == 1
    assert rang[0] - began < 10


async def test_a_cancelled_alarm_is_silent_and_can_be_set_again() -> None:
    """Nothing is left of what was asked for before."""
    rang: list[int] = []
    alarm = Alarm(lambda: rang.append(1))

    alarm.within(0)
    alarm.cancel()
    await asyncio.sleep(0.02)
    assert rang == []
    alarm.within(0)
    await wait_until_async(lambda: rang == [1], "it rings")
