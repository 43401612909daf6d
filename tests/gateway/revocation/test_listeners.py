"""Queues of those who listen: bounded, and lost as a whole when they are too slow."""

from latchstring_gateway.revocation.entry import Entry
from latchstring_gateway.revocation.listeners import Listeners

_ENTRIES = [Entry(number, "device", f"d{number}", 0, 1_000 + number, f"r{number}", "-") for number in range(10)]


async def test_each_listener_is_told_everything_since_it_opened_with_the_time_to_resume_at() -> None:
    """The time is that of the telling, not that of the taking."""
    now = [500]
    listeners = Listeners(lambda: now[0])
    one = listeners.open()
    listeners.tell(7, _ENTRIES[0])
    other = listeners.open()
    now[0] = 900
    listeners.tell(8, _ENTRIES[1])

    ones, others = await one.next(0), await other.next(0)

    assert [(told.partition, told.entry.subject, told.until_ms) for told in ones] == [(7, "d0", 500), (8, "d1", 900)]
    assert [told.entry.subject for told in others] == ["d1"]
    assert await one.next(0) == []


async def test_a_listener_that_is_too_slow_loses_everything_and_nobody_else_does() -> None:
    """It is ended, keeps nothing in memory, and hears nothing more; the others go on."""
    listeners = Listeners(lambda: 0, queue_entries=3)
    slow, quick = listeners.open(), listeners.open()
    for entry in _ENTRIES:
        listeners.tell(0, entry)
        await quick.next(0)

    assert (slow.ended, await slow.next(0)) == ("overrun", [])
    assert quick.ended == ""


async def test_ending_wakes_whoever_waits() -> None:
    """A worker that stops does not wait for a heartbeat."""
    listeners = Listeners(lambda: 0)
    listener = listeners.open()
    listeners.end_all()

    assert await listener.next(3_600) == []
    assert listener.ended == "closing"
    listeners.close(listener)
    assert len(listeners) == 0
