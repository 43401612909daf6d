"""Signing in: new ids each time, devices recognised by their cookie alone, and nobody overtakes a revocation."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.waiting import wait_until_async
from harness.worker_app import (
    DEVICE,
    RUN,
    SESSION,
    Jar,
    Worker,
    dump,
    now_ms,
    running_worker,
    set_cookies,
    settings_for,
)
from latchstring_gateway.ids import Account, to_text
from latchstring_gateway.store import keys
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyfile import KeyState, RingKey
from latchstring_gateway.tokens.keyfile import dump as dump_keys
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import DeviceToken

ADA = Account("ada")
_MINUTE_MS = 60_000


async def _status(worker: Worker, jar: Jar) -> int:
    return (await worker.verify(jar)).status_code


async def _told(worker: Worker, account: Account) -> list[dict[str, Any]]:
    """What hooks are told of an account, in order."""
    entries: Any = await worker.store.redis.xrange(keys.outbox(keys.partition_of(account)))
    return [{**fields, "data": json.loads(fields["data"])} for _, fields in entries if fields["account"] == account]


async def test_a_first_sign_in_makes_a_session_a_device_and_three_cookies(worker: Worker) -> None:
    """The website relays the cookies and sends the browser on; the device is named by what it is."""
    jar = Jar()
    target: dict[str, Any] = {"return": "/junk"}
    answer = await worker.sign_in(jar=jar, **target)
    body = answer.json()

    assert answer.status_code == 201
    assert body["device"] == {
        "id": body["session"]["device"],
        "name": "Firefox on Linux",
        "kind": "computer",
        "new": True,
        "looks_like": None,
    }
    assert sorted(jar) == sorted((SESSION, DEVICE, RUN))
    assert body["continue_to"].startswith("/latch/arrived?to=v1.")
    assert [line.count("Max-Age") for line in body["set_cookie"]] == [1, 1, 0]
    assert "Max-Age=34560000" in body["set_cookie"][1]
    assert await _status(worker, jar) == 200


async def test_a_device_is_recognised_by_its_cookie(worker: Worker) -> None:
    """The second sign-in in a browser is the same device; without the cookie it is another."""
    jar = Jar()
    first = (await worker.sign_in(jar=jar)).json()
    again = (await worker.sign_in(jar=jar)).json()
    elsewhere = (await worker.sign_in(jar=Jar())).json()

    assert (again["device"]["id"], again["device"]["new"]) == (first["device"]["id"], False)
    assert again["session"]["id"] != first["session"]["id"], "the session is new all the same"
    assert elsewhere["device"]["new"]
    assert len((await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]) == 2


@pytest.mark.parametrize("cookie", ["", "junk", "v1.a.b.c", "forged", "session", "twice"])
async def test_a_device_cookie_that_is_not_ours_is_never_adopted(worker: Worker, cookie: str) -> None:
    """Forged, of another purpose or sent twice: the browser gets a fresh id."""
    jar = Jar()
    first = (await worker.sign_in(jar=jar)).json()
    key = RingKey("forged", KeyState.ACTIVE, 1, 1, bytes(32))
    token = worker.rooms.codec.open(jar[DEVICE].encode(), DeviceToken)
    assert isinstance(token, DeviceToken)
    forged = Codec(KeyRing.from_json(dump_keys([key]), worker.rooms.clock)).seal(token).decode()
    sent = {"forged": forged, "session": jar[SESSION], "twice": f"{jar[DEVICE]}; {DEVICE}={jar[DEVICE]}"}

    again = (await worker.sign_in(jar=Jar({DEVICE: sent.get(cookie, cookie)}))).json()

    assert again["device"]["new"]
    assert again["device"]["id"] != first["device"]["id"]


async def test_a_removed_device_is_dead_and_comes_back_under_a_new_id(worker: Worker) -> None:
    """Signing in again on it makes a new device; the old id stays out for good."""
    jar = Jar()
    first = (await worker.sign_in(jar=jar)).json()["device"]["id"]
    before = Jar(jar)
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{first}")
    again = (await worker.sign_in(jar=jar)).json()["device"]

    assert (again["new"], again["id"] != first) == (True, True)
    assert await _status(worker, before) == 401
    assert await _status(worker, jar) == 200
    listed = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    assert [device["id"] for device in listed] == [again["id"]]


async def test_two_accounts_on_one_browser_share_neither_row_nor_removal(worker: Worker) -> None:
    """Removing the shared computer from one account leaves the other signed in on it."""
    jar = Jar()
    ada = (await worker.sign_in("ada", jar=jar)).json()["device"]["id"]
    adas = Jar(jar)
    bob = (await worker.sign_in("bob", jar=jar)).json()["device"]
    assert (bob["id"] != ada, bob["new"]) == (True, True)

    await worker.api("DELETE", f"/v1/accounts/ada/devices/{ada}")
    again = (await worker.sign_in("bob", jar=jar)).json()["device"]

    assert await _status(worker, adas) == 401
    assert await _status(worker, jar) == 200
    assert again["id"] == bob["id"]


async def test_signing_in_again_ends_the_browsers_former_session(worker: Worker) -> None:
    """The old lease, which would run for minutes, is refused as soon as the bell has rung."""
    jar = Jar()
    first = (await worker.sign_in(jar=jar)).json()["session"]["id"]
    former = Jar(jar)
    await worker.sign_in(jar=jar)

    async def refused() -> bool:
        return await _status(worker, former) == 401

    await wait_until_async(refused, "the former lease to be refused")
    record: Any = await worker.store.redis.hgetall(keys.session(keys.partition_of(ADA), first))
    assert (record["state"], record["reason"]) == ("ended", "replaced")
    assert await _status(worker, jar) == 200


async def test_planted_cookies_give_an_attacker_nothing(worker: Worker) -> None:
    """Whoever signs in over the attacker's own valid cookies gets ids that the attacker does not know."""
    planted = Jar()
    await worker.sign_in("eve", jar=planted)
    attackers = Jar(planted)
    victim = planted
    signed_in = (await worker.sign_in("ada", jar=victim)).json()

    answer = await worker.verify(attackers)

    assert answer.headers.get("x-latch-account") in (None, "eve")
    assert signed_in["device"]["new"], "the planted device cookie is no device of hers"
    assert victim[SESSION] != attackers[SESSION]
    assert victim[RUN] != attackers[RUN]
    mixed = await worker.verify({**attackers, RUN: victim[RUN]})
    assert mixed.headers.get("x-latch-account") in (None, "eve")


async def test_a_sign_in_over_another_accounts_session_ends_that_session(worker: Worker) -> None:
    """On a shared computer ada's session lived on, and whoever had kept her cookie stayed signed in as her."""
    browser = Jar()
    first = (await worker.sign_in("ada", jar=browser)).json()["session"]["id"]
    adas = Jar(browser)

    assert (await worker.sign_in("bob", jar=browser)).status_code == 201

    assert await _status(worker, adas) == 401, "at once, as after a sign-out"
    assert (await worker.navigate(worker.run_out(adas))).status_code == 303
    record: Any = await worker.store.redis.hgetall(keys.session(keys.partition_of(ADA), first))
    assert (record["state"], record["reason"]) == ("ended", "replaced")
    assert await _status(worker, browser) == 200
    told = [event for event in await _told(worker, ADA) if event["type"] == "session.ended"]
    assert [event["data"]["reason"] for event in told] == ["replaced"]
    ada = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]
    assert len(ada) == 1, "her device stays hers"


async def test_a_session_that_has_ended_is_not_ended_again_by_another_accounts_sign_in(worker: Worker) -> None:
    """Its reason stays, and hooks hear of it once."""
    browser = await worker.signed_in("ada")
    device = worker.lease(browser)
    await worker.api("DELETE", f"/v1/accounts/ada/sessions/{to_text(device.session)}")
    before = await _told(worker, ADA)

    assert (await worker.sign_in("bob", jar=browser)).status_code == 201

    assert await _told(worker, ADA) == before


async def test_a_sign_in_that_is_refused_ends_no_other_accounts_session(worker: Worker) -> None:
    """Only one that begins takes its place."""
    await worker.api("POST", "/v1/accounts/bob/disable")
    ada = await worker.signed_in("ada")

    assert (await worker.sign_in("bob", jar=Jar(ada))).status_code == 409

    assert await _status(worker, ada) == 200


@pytest.mark.parametrize(
    ("ago_ms", "status", "code"),
    [
        (0, 201, None),
        (5 * _MINUTE_MS - 10_000, 201, None),
        (5 * _MINUTE_MS + 10_000, 400, "authenticated_at_stale"),
        (-20_000, 201, None),
        (-60_000, 400, "authenticated_at_future"),
        (10**12, 400, "authenticated_at_stale"),
    ],
)
async def test_when_the_password_was_checked_must_be_a_moment_ago(
    worker: Worker, ago_ms: int, status: int, code: str | None
) -> None:
    """A replayed sign-in of yesterday, or one from a clock that is wrong, is refused and nothing is stored."""
    before = await dump(worker.store)

    answer = await worker.sign_in(authenticated_at_ms=now_ms() - ago_ms)

    assert answer.status_code == status
    if code:
        assert answer.json()["code"] == code
        assert await dump(worker.store) == before


async def test_a_sign_in_checked_before_everybody_was_signed_out_is_refused(worker: Worker) -> None:
    """A thief's sign-in that was under way cannot overtake the change; a check made after it passes."""
    checked = now_ms()
    jar = await worker.signed_in()
    receipt = await worker.api("POST", "/v1/accounts/ada/revoke")

    overtaken = await worker.sign_in(authenticated_at_ms=checked)
    after = await worker.sign_in(authenticated_at_ms=now_ms() + 1)

    assert receipt.json()["status"] == "complete"
    assert await _status(worker, jar) == 401
    assert (overtaken.status_code, overtaken.json()["code"]) == (409, "sign_in_overtaken")
    assert after.status_code == 201


async def test_a_disabled_account_starts_no_session(worker: Worker) -> None:
    """409, and nothing is stored."""
    await worker.store.redis.hset(keys.account(ADA), "disabled", "1")
    before = await dump(worker.store)

    answer = await worker.sign_in()

    assert (answer.status_code, answer.json()["code"]) == (409, "account_disabled")
    assert await dump(worker.store) == before


@pytest.fixture
async def crowded(store_url: str, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Worker]]]:
    """Makes a worker on which an account may have two sessions."""
    async with AsyncExitStack() as stack:

        async def make(**settings: Any) -> Worker:
            chosen = settings_for(store_url, tmp_path, sessions_per_account=2, **settings)
            return await stack.enter_async_context(running_worker(chosen))

        yield make


Crowded = Callable[..., Awaitable[Worker]]


async def test_one_session_too_many_ends_the_one_begun_longest_ago(crowded: Crowded) -> None:
    """In the act of the sign-in: refused by lease and store, told to the hooks; the others stay."""
    worker = await crowded()
    jars = [await worker.signed_in() for _ in range(2)]
    oldest = (await worker.verify(jars[0])).headers["x-latch-session"]

    jars.append(await worker.signed_in())

    async def out() -> bool:
        return await _status(worker, jars[0]) == 401

    await wait_until_async(out, "the oldest session's lease to be refused")
    assert await _status(worker, worker.run_out(jars[0])) == 401
    assert [await _status(worker, jar) for jar in jars[1:]] == [200, 200]
    events: Any = await worker.store.redis.xrange(keys.outbox(keys.partition_of(ADA)))
    ended = [json.loads(fields["data"]) for _, fields in events if fields["type"] == "session.ended"]
    assert ended == [{"session": oldest, "reason": "session_limit"}]


async def test_where_the_rule_is_refuse_the_new_one_is_refused_and_nothing_changes(crowded: Crowded) -> None:
    """409 with a code of its own, no device registered, nobody signed out; ended ones make room."""
    worker = await crowded(sessions_when_full="refuse")
    jars = [await worker.signed_in() for _ in range(2)]
    before = await dump(worker.store)

    refused = await worker.sign_in()

    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_sessions")
    assert await dump(worker.store) == before
    assert [await _status(worker, jar) for jar in jars] == [200, 200]
    await worker.client.post("/latch/sign-out", headers={"sec-fetch-site": "same-origin", "cookie": jars[0].header()})
    assert (await worker.sign_in()).status_code == 201
    assert (await worker.sign_in("bob")).status_code == 201, "each account has a limit of its own"


@pytest.mark.parametrize("rule", ["end-oldest", "refuse"])
async def test_signing_in_again_in_the_same_browser_is_not_one_more(crowded: Crowded, rule: str) -> None:
    """The browser's former session is replaced, so nobody else has to go."""
    worker = await crowded(sessions_when_full=rule)
    other, jar = await worker.signed_in(), Jar()
    for _ in range(4):
        assert (await worker.sign_in(jar=jar)).status_code == 201

    assert await _status(worker, other) == 200
    assert await _status(worker, jar) == 200


@pytest.mark.parametrize("how", ["removed", "signed out", "everybody", "idle", "absolute"])
async def test_what_is_over_takes_no_place(crowded: Crowded, how: str) -> None:
    """A removed device, a signed-out account, a session past its limits: none of them counts."""
    worker = await crowded(sessions_when_full="refuse")
    partition = keys.partition_of(ADA)
    for _ in range(2):
        session = (await worker.sign_in(remember=False)).json()["session"]
        record = keys.session(partition, session["id"])
        if how == "removed":
            await worker.api("DELETE", f"/v1/accounts/ada/devices/{session['device']}")
        elif how == "idle":
            await worker.store.redis.hset(record, "fresh_until_ms", now_ms() - 1)
        elif how == "absolute":
            await worker.store.redis.hset(record, "absolute_ms", now_ms() - 1)
    if how == "signed out":
        await worker.api("POST", "/v1/accounts/ada/revoke")
    elif how == "everybody":
        await worker.api("POST", "/v1/revoke-everybody")

    assert [(await worker.sign_in()).status_code for _ in range(3)] == [201, 201, 409]


@pytest.mark.parametrize(("rule", "statuses"), [("end-oldest", {201}), ("refuse", {201, 409})])
async def test_simultaneous_sign_ins_never_exceed_the_limit(crowded: Crowded, rule: str, statuses: set[int]) -> None:
    """Twenty at once leave two sessions that the store still renews."""
    worker = await crowded(sessions_when_full=rule)
    jars = [Jar() for _ in range(20)]

    answers = await asyncio.gather(*(worker.sign_in(jar=jar) for jar in jars))

    assert {answer.status_code for answer in answers} == statuses
    alive = [await _status(worker, worker.run_out(jar)) for jar in jars if jar]
    assert alive.count(200) == 2


async def test_a_name_its_owner_chose_survives_the_next_sign_in(worker: Worker) -> None:
    """The sign-in describes the device anew but does not rename it."""
    jar = Jar()
    device = (await worker.sign_in(jar=jar)).json()["device"]["id"]
    await worker.api("PATCH", f"/v1/accounts/ada/devices/{device}", {"name": "Küche"})

    again = (await worker.sign_in(jar=jar)).json()["device"]

    assert (again["id"], again["name"]) == (device, "Küche")


async def test_a_sign_in_is_told_to_the_hooks(worker: Worker) -> None:
    """A new device and a session, each with an id of its own, in the account's outbox."""
    jar = Jar()
    await worker.sign_in(jar=jar)
    await worker.sign_in(jar=jar)

    entries: Any = await worker.store.redis.xrange(keys.outbox(keys.partition_of(ADA)))

    assert [fields["type"] for _, fields in entries] == ["device.added", "session.started", "session.started"]
    assert len({fields["id"] for _, fields in entries}) == 3


async def test_whatever_the_browser_calls_itself_the_sign_in_works(worker: Worker) -> None:
    """Descriptions are only descriptions."""
    answers = [
        await worker.sign_in(browser={"address": address, "user_agent": agent})
        for address in ("", "junk", "fe80::1%eth0", "::ffff:192.0.2.9", "192.0.2.9", "2001:db8::1")
        for agent in ("", "\0\x07\u202e", "x" * 4_096)
    ]

    assert {answer.status_code for answer in answers} == {201}
    assert not [line for answer in answers for line in set_cookies(answer)], "they are in the body, to be relayed"
