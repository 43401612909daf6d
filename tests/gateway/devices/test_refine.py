"""The second look at devices that signed in: their cards become better, and nobody waits for it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.waiting import wait_until_async
from harness.worker_app import Jar, running_worker, settings_for
from latchstring_gateway.background import Background
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.devices.refine import MAX_WAITING, Refiner
from latchstring_gateway.devices.registry import Devices
from latchstring_gateway.ids import Account
from latchstring_gateway.metrics import RECOGNITIONS
from latchstring_gateway.recognition.second_look import SecondLook
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

#: The detector may have to wait for a processor.

ADA = Account("ada")
_UNREADABLE = (
    "Mozilla/5.0 (Linux; Android 9; GTCOMBO) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/103.0.0.0 Safari/537.36"
)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """The emptied store."""
    opened = Store(store_url)
    yield opened
    await opened.close()


@asynccontextmanager
async def _running(refiner: Refiner) -> AsyncIterator[None]:
    background = Background(SystemClock())
    background.hold("second_look", refiner.run, every_seconds=0, within_seconds=300, remedy="look")
    yield
    await background.close()


def _told(outcome: str) -> float:
    return float(RECOGNITIONS.labels(outcome)._value.get())


async def _row(store: Store, device: str, **fields: Any) -> None:
    row: Any = {"account": "ada", "state": "active", "name": "Chrome on Android", "named_by_owner": "0", **fields}
    await store.redis.hset(keys.device(keys.partition_of(ADA), device), mapping=row)
    await store.redis.sadd(keys.devices(ADA), device)


async def test_a_device_gets_a_better_card(store: Store) -> None:
    """Chrome on Android turns out to be somebody's TV box, a moment later, with its maker's name."""
    await _row(store, "box", kind="tablet", model="GTCOMBO", os="Android", client="Chrome")
    refiner = Refiner(store, SecondLook(niceness=0))
    before = _told("refined")
    async with _running(refiner):
        refiner.seen(ADA, "box", _UNREADABLE)
        await wait_until_async(lambda: _told("refined") == before + 1, "the second look")
    (row,) = await Devices(store).list(ADA)

    assert row.kind == "tv"
    assert row.name == row.model != "GTCOMBO"
    assert (row.os, row.client) == ("Android", "Chrome")


async def test_every_sign_in_is_looked_at_again(store_url: str, tmp_path: Path) -> None:
    """Browsers and TVs alike, if the operator has not switched it off."""
    async with running_worker(settings_for(store_url, tmp_path, second_look=True)) as worker:
        device = (await worker.sign_in(jar=Jar(), browser={"user_agent": _UNREADABLE})).json()["device"]["id"]

        assert worker.rooms.refiner._seen == {device: hash(_UNREADABLE)}
    async with running_worker(settings_for(store_url, tmp_path, second_look=False)) as worker:
        await worker.sign_in(jar=Jar(), browser={"user_agent": _UNREADABLE})

        assert worker.rooms.refiner._seen == {}


async def test_nobody_waits_for_a_detector_that_hangs(store_url: str, tmp_path: Path) -> None:
    """With its process stopped, sign-ins are answered as always, and the worker leaves in time."""
    async with running_worker(settings_for(store_url, tmp_path, second_look=True)) as worker:
        look = worker.rooms.refiner._look
        assert look is not None
        await worker.sign_in(jar=Jar(), browser={"user_agent": _UNREADABLE})
        await wait_until_async(lambda: look._child is not None, "the detector to be started")
        assert look._child is not None
        os.kill(look._child.pid, signal.SIGSTOP)

        async with asyncio.timeout(20):
            answers = [await worker.sign_in(jar=Jar(), browser={"user_agent": f"{_UNREADABLE} {n}"}) for n in range(5)]
        assert [answer.status_code for answer in answers] == [201] * 5


async def test_what_was_said_by_owner_or_device_stays(store: Store) -> None:
    """A name is kept, a device that has said itself what it is is left alone, and so is one that is gone."""
    kept, gone = _told("kept"), _told("refined")
    await _row(store, "named", name="Den", named_by_owner="1")
    await _row(store, "stated", kind="tv", model="Acme One", stated="1")
    await _row(store, "removed", state="removed", kind="tablet")
    await _row(store, "bobs", account="bob", kind="tablet")
    refiner = Refiner(store, SecondLook(niceness=0))
    async with _running(refiner):
        for device in ("named", "stated", "removed", "bobs"):
            refiner.seen(ADA, device, _UNREADABLE)
        await wait_until_async(lambda: _told("kept") == kept + 3 and _told("refined") == gone + 1, "four looks")
    rows = {row.id: row for row in await Devices(store).list(ADA)}

    assert (rows["named"].name, rows["named"].kind) == ("Den", "tv")
    assert (rows["stated"].name, rows["stated"].model) == ("Chrome on Android", "Acme One")
    partition = keys.partition_of(ADA)
    for device in ("removed", "bobs"):
        assert await store.redis.hget(keys.device(partition, device), "kind") == "tablet"


async def test_a_thousand_may_wait_and_the_rest_is_given_up(store: Store) -> None:
    """Noting one takes no time and no memory beyond that; the same device with the same agent counts once."""
    given_up = _told("given_up")
    refiner = Refiner(store, SecondLook(niceness=0))
    for number in range(MAX_WAITING + 50):
        refiner.seen(ADA, f"device-{number}", _UNREADABLE)
        refiner.seen(ADA, f"device-{min(number, MAX_WAITING - 1)}", _UNREADABLE)

    assert refiner._waiting.qsize() == MAX_WAITING
    assert _told("given_up") == given_up + 50


async def test_without_the_extra_nothing_is_done(store: Store) -> None:
    """Nothing waits, and there is nothing to run for."""
    refiner = Refiner(store, None)
    refiner.seen(ADA, "device", _UNREADABLE)

    assert not refiner.is_wanted
    assert refiner._waiting.empty()


async def test_the_detector_goes_when_nobody_signs_in(store: Store) -> None:
    """And is there again for the next."""
    look = SecondLook(niceness=0)
    refiner = Refiner(store, look, idle_seconds=0.05)
    same = _told("same")
    async with _running(refiner):
        refiner.seen(ADA, "device", "curl/8.0")
        await wait_until_async(lambda: _told("same") == same + 1 and look._child is None, "its process has gone")
        refiner.seen(ADA, "device", "curl/8.1")
        await wait_until_async(lambda: _told("same") == same + 2, "another look")
