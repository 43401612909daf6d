"""Signing a device out on itself and for good, and asking for the password before any is signed out: on a worker."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.worker_app import DEVICE, NAVIGATION, RUN, SESSION, Jar, Worker, running_worker, set_cookies, settings_for
from latchstring_gateway.ids import Account
from latchstring_gateway.store import keys

_LIST = "/latch/devices"


class _Browser:
    """A browser on our pages."""

    def __init__(self, worker: Worker, jar: Jar) -> None:
        self._client = worker.client
        self.jar = jar

    async def open(self, path: str) -> httpx.Response:
        return await self._client.get(path, headers={**NAVIGATION, "cookie": self.jar.header()})

    async def press(self, path: str) -> httpx.Response:
        headers = {**NAVIGATION, "cookie": self.jar.header(), "sec-fetch-site": "same-origin"}
        answer = await self._client.post(path, headers=headers)
        self.jar.take(set_cookies(answer))
        return answer


async def _device(worker: Worker, jar: Jar) -> str:
    return (await worker.verify(jar)).headers["x-latch-device"]


async def test_a_browser_that_is_sold_keeps_nothing_of_its_owner(worker: Worker) -> None:
    """Out everywhere with a receipt, every cookie of ours gone, the site's own cleared, and a new device next time."""
    jar = await worker.signed_in()
    device, copy = await _device(worker, jar), Jar(jar)
    browser = _Browser(worker, jar)

    asked = await browser.open(f"{_LIST}/{device}/remove")
    done = await browser.press(f"{_LIST}/{device}/remove")

    assert asked.status_code == 200
    assert "signed out everywhere (1 of 1 server confirmed" in done.text
    assert not {SESSION, DEVICE, RUN} & set(browser.jar)
    assert done.headers["clear-site-data"] == '"cache", "cookies", "storage"'
    assert (await worker.verify(copy)).status_code == 401
    again = await worker.sign_in(jar=copy)
    assert (again.json()["device"]["new"], again.json()["device"]["id"] == device) == (True, False)


async def test_the_store_forgets_what_a_removed_device_was(worker: Worker) -> None:
    """Name, model, place and browser id; what is left refuses its tokens, and the event told its name before."""
    jar = await worker.signed_in()
    device = await _device(worker, jar)
    partition = keys.partition_of(Account("ada"))
    row = keys.device(partition, device)
    browser_id = str(await worker.store.redis.hget(row, "browser"))

    await _Browser(worker, jar).press(f"{_LIST}/{device}/remove")

    left = await worker.store.redis.hgetall(row)
    assert set(left) <= {"account", "state", "removed_at_ms", "kind", "remembered", "key"}
    assert left["state"] == "removed"
    assert await worker.store.redis.get(keys.browser(Account("ada"), browser_id)) is None
    entries: Any = await worker.store.redis.xrevrange(keys.outbox(partition), count=1)
    event = entries[0][1]
    assert (event["type"], "deactivated_on_device" in event["data"]) == ("device.removed", True)
    assert "Firefox on Linux" in event["data"]


async def test_another_device_is_removed_without_touching_this_browser(worker: Worker) -> None:
    """The phone goes; the computer on which it was pressed keeps its cookies."""
    jar, phone = await worker.signed_in(), await worker.signed_in()
    browser = _Browser(worker, jar)

    done = await browser.press(f"{_LIST}/{await _device(worker, phone)}/remove")

    assert "clear-site-data" not in done.headers
    assert {SESSION, DEVICE, RUN} <= set(browser.jar)
    assert (await worker.verify(browser.jar)).status_code == 200


@pytest.fixture
async def strict(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that wants the password before a device is removed."""
    async with running_worker(settings_for(store_url, tmp_path, remove_wants_password=True)) as running:
        yield running


async def test_who_is_merely_remembered_signs_in_again_before_removing(strict: Worker) -> None:
    """Whoever finds an open browser sees the list and signs nothing out: question and post lead to the password."""
    jar, phone = await strict.signed_in(), await strict.signed_in()
    device = await _device(strict, phone)
    # Another run of the browser: remembered, and no more.
    remembered = _Browser(strict, Jar({name: value for name, value in jar.items() if name != RUN}))

    shown = await remembered.open(_LIST)
    for path in (f"{_LIST}/{device}/remove", f"{_LIST}/remove-others"):
        asked = await remembered.open(path)
        pressed = await remembered.press(path)
        assert (asked.status_code, asked.headers["location"].startswith("/sign-in?return=v1.")) == (303, True)
        assert asked.headers["location"].endswith("&fresh=1")
        assert (pressed.status_code, pressed.headers["location"]) == (303, path)

    assert shown.status_code == 200
    assert (await strict.verify(phone)).status_code == 200
    fresh = _Browser(strict, jar)
    assert (await fresh.open(f"{_LIST}/{device}/remove")).status_code == 200
    assert (await fresh.press(f"{_LIST}/{device}/remove")).status_code == 200
    assert (await strict.verify(phone)).status_code == 401


async def test_without_that_rule_a_remembered_owner_removes(worker: Worker) -> None:
    """As before: being signed in is enough."""
    jar, phone = await worker.signed_in(), await worker.signed_in()
    remembered = _Browser(worker, Jar({name: value for name, value in jar.items() if name != RUN}))

    assert (await remembered.press(f"{_LIST}/{await _device(worker, phone)}/remove")).status_code == 200
