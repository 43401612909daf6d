"""Waiting for acknowledgements."""

import asyncio

from latchstring_gateway.revocation.barrier import Barrier


async def test_it_opens_as_soon_as_everybody_is_heard() -> None:
    """The last acknowledgement ends the wait, long before the patience does."""
    barrier = Barrier()
    barrier.open("r")
    waiting = asyncio.create_task(barrier.wait("r", frozenset({"a", "b"}), 60))
    await asyncio.sleep(0)

    barrier.heard("a", ["r"])
    await asyncio.sleep(0)
    assert not waiting.done()
    barrier.heard("b", ["other", "r"])

    assert await waiting == {"a", "b"}


async def test_acknowledgements_before_the_wait_count() -> None:
    """A worker may be faster than the revoker's look at the registry."""
    barrier = Barrier()
    barrier.open("r")
    barrier.heard("a", ["r"])

    assert await barrier.wait("r", frozenset({"a"}), 60) == {"a"}


async def test_patience_ends_the_wait_with_whoever_was_heard() -> None:
    """A silent worker does not keep a revoker for ever."""
    barrier = Barrier()
    barrier.open("r")
    barrier.heard("a", ["r"])

    assert await barrier.wait("r", frozenset({"a", "silent"}), 0.01) == {"a"}


async def test_nobody_to_wait_for_is_over_at_once() -> None:
    """An empty registry needs no patience."""
    barrier = Barrier()
    barrier.open("r")

    assert await barrier.wait("r", frozenset(), 60) == frozenset()


def test_what_nobody_waits_for_is_passed_over() -> None:
    """Late acknowledgements of closed barriers leave nothing behind."""
    barrier = Barrier()

    barrier.heard("a", ["r"])

    assert barrier._heard == {}


async def test_a_closed_barrier_keeps_nothing() -> None:
    """Memory is bounded by what is under way."""
    barrier = Barrier()
    barrier.open("r")

    barrier.close("r")
    barrier.heard("a", ["r"])

    assert barrier._heard == {}
    assert barrier._changed == {}
