"""A TV that is one device too many: its owner gives another one up on the page, or it stays out."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.tv import SETTINGS, Tv, approve, decide
from harness.worker_app import NAVIGATION, RUN, Jar, Worker, now_ms, running_worker, settings_for
from latchstring_gateway.activation.codes import FORMS
from latchstring_gateway.activation.grants import Grants
from latchstring_gateway.ids import Account
from latchstring_gateway.metrics import ACTIVATIONS, SESSIONS_STARTED

URL = "/latch/activate"


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker whose accounts may have two devices."""
    async with running_worker(settings_for(store_url, tmp_path, devices_per_account=2, **SETTINGS)) as running:
        yield running


async def _scan(worker: Worker, jar: Jar, codes: dict[str, Any], path: str = URL) -> httpx.Response:
    headers = {**NAVIGATION, "cookie": jar.header()}
    return await worker.client.get(f"{path}?user_code={codes['user_code']}", headers=headers)


async def _connect(worker: Worker, jar: Jar, codes: dict[str, Any], *give_up: str) -> httpx.Response:
    fields = {"user_code": codes["user_code"]} | {f"give_up_{device}": "on" for device in give_up}
    headers = {**NAVIGATION, "sec-fetch-site": "same-origin", "cookie": jar.header()}
    return await worker.client.post(f"{URL}/connect", data=fields, headers=headers)


async def _device(worker: Worker, jar: Jar) -> str:
    return (await worker.verify(jar)).headers["x-latch-device"]


async def test_the_owner_chooses_what_to_give_up_and_the_tv_comes_in(worker: Worker) -> None:
    """Shown with the question; too little connects nothing; the receipt is told, and this browser is no choice."""
    owner, phone, tv = await worker.signed_in(), await worker.signed_in(), Tv(worker)
    given_up = await _device(worker, phone)
    codes = await tv.ask()

    asked = await _scan(worker, owner, codes)
    none = await _connect(worker, owner, codes)
    foreign = await _connect(worker, owner, codes, await _device(worker, owner))
    pending = await tv.poll()
    done = await _connect(worker, owner, codes, given_up)
    connected = await tv.poll()

    assert "Your account is full" in asked.text
    assert re.findall(r'name="give_up_([^"]+)"', asked.text) == [given_up]
    assert (none.status_code, "Nothing was connected or signed out" in none.text) == (400, True)
    assert foreign.status_code == 400
    assert pending.json()["error"] in ("authorization_pending", "slow_down")
    assert (done.status_code, "signed out everywhere (1 of 1 server" in done.text) == (200, True)
    assert connected.status_code == 200
    assert (await tv.verify()).status_code == 200
    assert (await worker.verify(phone)).status_code == 401
    assert (await worker.verify(owner)).status_code == 200


async def test_a_place_that_was_taken_meanwhile_keeps_the_tv_out(worker: Worker) -> None:
    """Approved while there was room, fetched when there is none: told so, and nobody else is put out."""
    owner, tv = await worker.signed_in(), Tv(worker)
    codes = await tv.ask()
    await approve(worker, owner, codes)
    faster = await worker.signed_in()

    answer = await tv.poll()

    assert (answer.status_code, answer.json()["error"]) == (400, "access_denied")
    assert "devices" in answer.json()["error_description"]
    assert [(await worker.verify(jar)).status_code for jar in (owner, faster)] == [200, 200]


async def test_with_room_nothing_is_asked(worker: Worker) -> None:
    """One device of two: the question is as it always was."""
    owner, tv = await worker.signed_in(), Tv(worker)

    assert "Your account is full" not in (await _scan(worker, owner, await tv.ask())).text


async def test_one_device_that_is_in_use_cannot_be_given_up_for_a_tv(store_url: str, tmp_path: Path) -> None:
    """The page says so instead of offering an empty list."""
    async with running_worker(settings_for(store_url, tmp_path, devices_per_account=1, **SETTINGS)) as worker:
        owner, tv = await worker.signed_in(), Tv(worker)

        asked = await _scan(worker, owner, await tv.ask())

    assert "you are using that now" in asked.text


async def test_giving_up_wants_the_password_where_removing_does(store_url: str, tmp_path: Path) -> None:
    """Who is merely remembered signs in again first, and comes back to the question; refusing needs no password."""
    chosen = settings_for(store_url, tmp_path, devices_per_account=2, remove_wants_password=True, **SETTINGS)
    async with running_worker(chosen) as worker:
        owner, phone, tv = await worker.signed_in(), await worker.signed_in(), Tv(worker)
        remembered = Jar({name: value for name, value in owner.items() if name != RUN})
        codes = await tv.ask()

        asked = await _scan(worker, remembered, codes)
        pressed = await _connect(worker, remembered, codes, await _device(worker, phone))
        again = await _scan(worker, remembered, codes, f"{URL}/again")
        fresh = await _scan(worker, owner, codes, f"{URL}/again")

        assert (asked.status_code, asked.headers["location"]) == (303, f"{URL}/again?user_code={codes['user_code']}")
        assert pressed.headers["location"] == asked.headers["location"]
        assert again.headers["location"].startswith("/sign-in?return=v1.")
        assert again.headers["location"].endswith("&fresh=1")
        assert (fresh.status_code, "Your account is full" in fresh.text) == (200, True)
        assert (await worker.verify(phone)).status_code == 200


async def test_a_code_that_had_expired_still_signed_the_chosen_device_out(worker: Worker) -> None:
    """What was given up was signed out before anybody asked whether the TV can still come in: nothing is, now."""
    owner, phone, tv = await worker.signed_in(), await worker.signed_in(), Tv(worker)
    codes = await tv.ask()
    (grant,) = await worker.store.redis.keys("*:grant:*")
    await worker.store.redis.hset(grant, "expires_at_ms", 1)

    late = await _connect(worker, owner, codes, await _device(worker, phone))

    assert late.status_code == 400
    assert (await worker.verify(phone)).status_code == 200


async def test_a_grant_that_is_held_is_nobody_elses_for_a_minute(worker: Worker) -> None:
    """While one account gives a device up for a TV, no other connects or refuses it, and its codes do not expire."""
    owner, tv = await worker.signed_in(), Tv(worker)
    eve = await worker.signed_in("eve")
    codes = await tv.ask()
    (grant,) = await worker.store.redis.keys("*:grant:*")
    now = now_ms()
    await worker.store.redis.hset(grant, mapping={"expires_at_ms": now + 2_000})
    grants = Grants(worker.store, FORMS["letters"], life_seconds=900)
    found = await grants.find(grants.form.read(codes["user_code"]) or "")
    assert found is not None
    held = await grants.settle(found, "held", Account("ada"), session="s", authenticated_at_ms=now)

    refused = await decide(worker, eve, codes["user_code"], "refuse")
    connected = await approve(worker, owner, codes)
    expires_at = int(await worker.store.redis.hget(grant, "expires_at_ms") or 0)

    assert held
    assert refused.status_code == 400
    assert connected.status_code == 200
    assert expires_at >= now + 59_000


async def test_a_poll_that_was_repeated_counted_as_a_sign_in_each_time(worker: Worker) -> None:
    """Two polls after one approval, the first answer lost: one TV is connected, one session began."""
    owner, tv = await worker.signed_in(), Tv(worker)
    codes = await tv.ask()
    await approve(worker, owner, codes)
    connected, started = ACTIVATIONS.labels("connected"), SESSIONS_STARTED.labels("yes")
    before = connected._value.get(), started._value.get()
    answers = [await tv.poll(), await tv.poll()]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert (connected._value.get(), started._value.get()) == (before[0] + 1, before[1] + 1)
