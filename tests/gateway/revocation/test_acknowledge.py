"""Acknowledgements to the askers, over a real store."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from harness.waiting import wait_until_async
from latchstring_gateway.background import Work
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.revocation.acknowledge import Acknowledgements
from latchstring_gateway.revocation.entry import Entry
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store


def _entry(number: int, reply_to: str) -> Entry:
    return Entry(number, "device", f"d{number}", 0, 1, f"07.r{number}", reply_to)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """The shared store, emptied."""
    one = Store(store_url)
    yield one
    await one.close()


async def test_one_message_a_turn_and_asker(store: Store, store_client: redis.asyncio.Redis) -> None:
    """A burst of entries is acknowledged by one message to each asker, and by none where nobody asked."""
    acknowledgements = Acknowledgements(store, "w.1.x", lambda worker, ids: None)
    acknowledgements.start(SystemClock(), Work(SystemClock()))
    async with store_client.pubsub() as listening:
        await listening.execute_command("SSUBSCRIBE", keys.acks("a.1.x"), keys.acks("b.1.x"))
        confirmations = [await listening.parse_response(timeout=30) for _ in range(2)]
        assert len(confirmations) == 2

        for number in range(1, 4):
            acknowledgements.note(_entry(number, "a.1.x"))
        acknowledgements.note(_entry(4, "b.1.x"))
        acknowledgements.note(_entry(5, "-"))
        messages = [await listening.parse_response(timeout=30) for _ in range(2)]

        assert [message[2] for message in messages] == [b"w.1.x 07.r1 07.r2 07.r3", b"w.1.x 07.r4"]
    await acknowledgements.close()


async def test_what_it_asked_itself_needs_no_message() -> None:
    """A revoker hears of its own worker without the store, even while that is away."""
    heard: list[tuple[str, list[str]]] = []
    nowhere = Store("redis://127.0.0.1:1", timeout_seconds=0.2)
    acknowledgements = Acknowledgements(nowhere, "w.1.x", lambda worker, ids: heard.append((worker, ids)))

    acknowledgements.start(SystemClock(), Work(SystemClock()))
    acknowledgements.note(_entry(1, "w.1.x"))
    acknowledgements.note(_entry(2, "a.1.x"))
    await asyncio.sleep(0)

    assert heard == [("w.1.x", ["07.r1"])]
    await acknowledgements.close()
    await nowhere.close()


async def test_one_batch_that_cannot_be_told_does_not_silence_the_worker() -> None:
    """The task that tells the askers had no guard: an exception in it ended it, and receipts waited for patience."""
    heard: list[str] = []

    def listen(_worker: str, ids: list[str]) -> None:
        if not heard:
            heard.append("raised")
            raise KeyError("a barrier that is gone")
        heard.extend(ids)

    nowhere = Store("redis://127.0.0.1:1", timeout_seconds=0.2)
    acknowledgements = Acknowledgements(nowhere, "w.1.x", listen)
    work = Work(SystemClock())
    acknowledgements.start(SystemClock(), work)

    acknowledgements.note(_entry(1, "w.1.x"))
    await wait_until_async(lambda: work.overdue() == ["acknowledge"], "the failure to be told")
    acknowledgements.note(_entry(2, "w.1.x"))
    await wait_until_async(lambda: heard == ["raised", "07.r2"], "the next batch")

    await acknowledgements.close()
    await nowhere.close()
