"""The bridge: nobody signs in again on the day of the change, and an old cookie undoes no removal and no sign-out."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.importing import device_line, run_import, session_line, write_lines
from harness.old_website import COOKIE, OldWebsite
from harness.waiting import wait_until_async
from harness.worker_app import (
    DEVICE,
    NAVIGATION,
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

ADA = Account("ada")
OLD = "s%3AKx7.of-the-old-days=="
_DAY_MS = 86_400_000
_MARK = "__Host-unbridged"


async def _cross(worker: Worker, jar: Jar, location: str = "/latch/bridge?to=", **headers: str) -> httpx.Response:
    """Follow the way over the bridge as a browser does; the jar takes the cookies."""
    answer = await worker.client.get(location, headers={**NAVIGATION, "cookie": jar.header(), **headers})
    jar.take(set_cookies(answer))
    return answer


async def _moved_in(worker: Worker, website: OldWebsite, old: str = OLD, **vouched: Any) -> Jar:
    website.vouch(old, **vouched)
    jar = Jar({COOKIE: old})
    assert (await _cross(worker, jar)).status_code == 303
    assert SESSION in jar
    return jar


async def _devices(worker: Worker, account: str = "ada") -> list[dict[str, Any]]:
    devices: list[dict[str, Any]] = (await worker.api("GET", f"/v1/accounts/{account}/devices")).json()["devices"]
    return devices


async def test_a_visitor_with_the_old_cookie_comes_in_without_signing_in(worker: Worker, website: OldWebsite) -> None:
    """The page sends him over the bridge; he arrives where he wanted to go, with our cookies and his old one."""
    checked_at_ms = now_ms() - 60_000
    website.vouch(OLD, authenticated_at_ms=checked_at_ms)
    jar = Jar({COOKIE: OLD})

    page = await worker.navigate(jar)
    bridge = await _cross(worker, jar, page.headers["location"])
    arrived = await _cross(worker, jar, bridge.headers["location"])
    inside = await worker.navigate(jar)

    assert (page.status_code, set_cookies(page)) == (303, [])
    assert page.headers["location"].startswith("/latch/bridge?to=v1.")
    assert sorted(jar) == sorted((COOKIE, SESSION, DEVICE, RUN))
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/watch?title=7")
    assert (inside.status_code, inside.headers["x-latch-account"]) == (200, "ada")
    assert inside.headers["x-latch-auth-time"] == str(checked_at_ms // 1000)
    assert inside.headers["x-latch-level"] == "fresh"
    assert jar[COOKIE] == OLD, "the way back"


async def test_the_website_is_told_what_it_needs_and_nothing_else(worker: Worker, website: OldWebsite) -> None:
    """Its own cookie byte for byte, the browser's name and address; none of our cookies and none of others."""
    website.vouch(OLD)
    jar = Jar({"other": "1", COOKIE: OLD})

    await _cross(worker, jar, **{"x-forwarded-for": "203.0.113.9", "user-agent": "Firefox/140.0"})

    (asked,) = website.asked
    assert asked["cookie"] == f"{COOKIE}={OLD}"
    assert (asked["user-agent"], asked["x-forwarded-for"]) == ("Firefox/140.0", "203.0.113.9")


async def test_who_gave_the_password_long_ago_is_remembered_and_not_fresh(worker: Worker, website: OldWebsite) -> None:
    """Moving in makes nobody fresher than he was: payment still wants the password."""
    jar = await _moved_in(worker, website, authenticated_at_ms=now_ms() - 3 * _DAY_MS)

    payment = await worker.navigate(jar, "/fresh")

    assert (await worker.verify(jar)).headers["x-latch-level"] == "remembered"
    assert payment.headers["location"].startswith("/sign-in?return=")


async def test_without_the_box_the_websites_session_ends_with_our_limit(worker: Worker, website: OldWebsite) -> None:
    """Not remembered, and the password was given before our longest session began: sign in."""
    website.vouch(OLD, remember=False, authenticated_at_ms=now_ms() - _DAY_MS)
    jar = Jar({COOKIE: OLD})

    refused = await _cross(worker, jar)

    assert (refused.status_code, sorted(jar)) == (303, sorted((COOKIE, _MARK)))


@pytest.mark.parametrize("manner", ["", "/fresh", "/background"])
async def test_only_pages_lead_over_the_bridge(worker: Worker, website: OldWebsite, manner: str) -> None:
    """A fetch, an image, a form: 401 as ever; nobody is asked, and no check waits for the website."""
    website.vouch(OLD)
    jar = Jar({COOKIE: OLD})

    fetched = await worker.verify(jar, manner)
    image = await worker.verify(jar, manner, sec_fetch_mode="no-cors", sec_fetch_dest="image")
    posted = await worker.navigate(jar, manner, x_forwarded_method="POST")
    smuggled = await worker.client.get("/latch/bridge?to=", headers={"cookie": jar.header(), "sec-fetch-mode": "cors"})

    assert [answer.status_code for answer in (fetched, image, posted, smuggled)] == [401] * 4
    assert website.asked == []


async def test_a_page_for_everybody_leads_over_the_bridge_too(worker: Worker, website: OldWebsite) -> None:
    """Else the home page would greet a signed-in visitor as a stranger."""
    website.vouch(OLD)
    jar = Jar({COOKIE: OLD})

    home = await worker.navigate(jar, "/optional")
    await _cross(worker, jar, home.headers["location"])

    assert home.headers["location"].endswith("&open=1")
    assert (await worker.navigate(jar, "/optional")).headers["x-latch-account"] == "ada"


async def test_our_own_pages_lead_over_the_bridge(worker: Worker, website: OldWebsite) -> None:
    """Manage devices, opened from a bookmark on the day of the change."""
    website.vouch(OLD)
    jar = Jar({COOKIE: OLD})

    page = await _cross(worker, jar, "/latch/devices")
    bridge = await _cross(worker, jar, page.headers["location"])
    arrived = await _cross(worker, jar, bridge.headers["location"])

    assert arrived.headers["location"] == "/latch/devices"
    assert (await _cross(worker, jar, "/latch/devices")).status_code == 200


@pytest.mark.parametrize("target", ["/sign-in", "/sign-in?return=x"])
async def test_the_sign_in_page_is_never_a_reason_to_cross(worker: Worker, website: OldWebsite, target: str) -> None:
    """Who is refused comes to rest there."""
    website.vouch(OLD)

    assert (await worker.navigate(Jar({COOKIE: OLD}), "/optional", x_forwarded_uri=target)).status_code == 200


@pytest.mark.parametrize("since", ["its cookie came back", "grace is over"])
async def test_an_old_cookie_is_good_once(worker: Worker, website: OldWebsite, since: str) -> None:
    """A copy used on another browser later is refused, and the owner stays signed in."""
    owner = await _moved_in(worker, website)
    row = keys.session(keys.partition_of(ADA), to_text(worker.lease(owner).session))
    change = {"renewed_at_ms": now_ms()} if since == "its cookie came back" else {"n_issued_at_ms": now_ms() - 901_000}
    for field, value in change.items():
        await worker.store.redis.hset(row, field, str(value))
    thief = Jar({COOKIE: OLD})

    refused = await _cross(worker, thief, (await worker.navigate(thief)).headers["location"])
    page = await worker.navigate(thief)

    assert refused.headers["location"] == "/watch?title=7"
    assert sorted(thief) == sorted((COOKIE, _MARK))
    assert page.headers["location"].startswith("/sign-in?return=")
    assert (await worker.verify(owner)).status_code == 200


async def test_an_answer_that_was_lost_is_given_again(worker: Worker, website: OldWebsite) -> None:
    """The same session on the same device, and one event: the browser that asks again is not a second one."""
    website.vouch(OLD)
    lost, jar = Jar({COOKIE: OLD}), Jar({COOKIE: OLD})
    await _cross(worker, lost)
    await _cross(worker, jar)

    first, second = worker.lease(lost), worker.lease(jar)
    events: Any = await worker.store.redis.xrange(keys.outbox(keys.partition_of(ADA)))

    assert (first.session, first.device, first.run) == (second.session, second.device, second.run)
    assert [(await worker.navigate(one)).status_code for one in (lost, jar)] == [200, 200]
    assert len(await _devices(worker)) == 1
    assert [fields["type"] for _id, fields in events] == ["device.added", "session.started"]


async def test_twenty_tabs_of_a_restored_browser_are_one_visitor(worker: Worker, website: OldWebsite) -> None:
    """They ask at once; the website is asked once, and there is one session."""
    website.vouch(OLD)
    jars = [Jar({COOKIE: OLD}) for _ in range(20)]

    await asyncio.gather(*(_cross(worker, jar) for jar in jars))

    assert len(website.asked) == 1
    assert len({worker.lease(jar).session for jar in jars}) == 1
    assert {(await worker.verify(jar)).status_code for jar in jars} == {200}


async def test_a_removed_device_does_not_come_back_by_its_old_cookie(worker: Worker, website: OldWebsite) -> None:
    """Nor does an ended session; within grace as well."""
    jar = await _moved_in(worker, website)
    (device,) = await _devices(worker)
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{device['id']}")

    again = Jar({COOKIE: OLD})
    await _cross(worker, again)

    assert SESSION not in again
    assert (await worker.verify(jar)).status_code == 401


async def test_signing_out_holds_against_the_old_cookie(worker: Worker, website: OldWebsite) -> None:
    """The next page is the sign-in page, not the bridge and in again."""
    jar = await _moved_in(worker, website)
    gone = await worker.client.post(
        "/latch/sign-out", headers={"sec-fetch-site": "same-origin", "cookie": jar.header()}
    )
    jar.take(set_cookies(gone))
    assert SESSION not in jar

    await _cross(worker, jar)

    assert SESSION not in jar
    assert (await worker.navigate(jar)).headers["location"].startswith("/sign-in?")


async def test_a_sign_out_everywhere_reaches_sessions_that_never_moved_in(worker: Worker, website: OldWebsite) -> None:
    """The password that the old session rests on was checked before: refused. One checked after comes in."""
    website.vouch("before", authenticated_at_ms=now_ms() - 1_000)
    await worker.api("POST", "/v1/accounts/ada/revoke")
    website.vouch("after", authenticated_at_ms=now_ms() + 5)
    before, after = Jar({COOKIE: "before"}), Jar({COOKIE: "after"})

    await _cross(worker, before)
    await _cross(worker, after)

    assert (SESSION in before, SESSION in after) == (False, True)


async def test_a_disabled_account_stays_out(worker: Worker, website: OldWebsite) -> None:
    """Whatever the website says of its old cookie."""
    website.vouch(OLD)
    await worker.store.redis.hset(keys.account(ADA), "disabled", "1")
    jar = Jar({COOKIE: OLD})

    await _cross(worker, jar)

    assert SESSION not in jar


async def test_the_websites_own_names_make_session_and_device(worker: Worker, website: OldWebsite) -> None:
    """Two cookies of one session are one session; two sessions on one device are one row; removed, it stays out."""
    first = await _moved_in(worker, website, "one", session="42", device="phone")
    website.vouch("two", session="42", device="phone")
    repeated = Jar({COOKIE: "two"})
    await _cross(worker, repeated)
    other = await _moved_in(worker, website, "three", session="43", device="phone")

    assert worker.lease(repeated).session == worker.lease(first).session != worker.lease(other).session
    assert len({worker.lease(jar).device for jar in (first, repeated, other)}) == 1
    (row,) = await _devices(worker)
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{row['id']}")
    website.vouch("four", session="44", device="phone")
    late = Jar({COOKIE: "four"})
    await _cross(worker, late)
    assert SESSION not in late


async def test_a_browser_that_keeps_no_cookies_is_told_so_and_sent_round_no_circle(
    worker: Worker, website: OldWebsite
) -> None:
    """It arrives without our cookie: the page that says so."""
    website.vouch(OLD)
    bridge = await worker.client.get("/latch/bridge?to=", headers={**NAVIGATION, "cookie": f"{COOKIE}={OLD}"})

    arrived = await worker.client.get(bridge.headers["location"], headers={**NAVIGATION, "cookie": f"{COOKIE}={OLD}"})

    assert (arrived.status_code, "location" in arrived.headers) == (403, False)


async def test_who_brings_our_cookie_is_not_bridged_however_bad_it_is(worker: Worker, website: OldWebsite) -> None:
    """It is cleared on the way to the sign-in page, as ever."""
    website.vouch(OLD)
    jar = Jar({COOKIE: OLD, SESSION: "v1.a.b.c"})

    page = await worker.navigate(jar)
    bridge = await _cross(worker, jar)

    assert page.headers["location"].startswith("/sign-in?")
    assert bridge.headers["location"] == "/"
    assert website.asked == []


@pytest.mark.parametrize(
    "cookies",
    [
        f"{COOKIE}=a; {COOKIE}=b",
        f"{COOKIE}=",
        f"{COOKIE}=\xe9",
        f"{COOKIE}=two words",
        f"x{COOKIE}={OLD}",
        f"\xa0{COOKIE}={OLD}",
        f"{COOKIE}=latchstring:AAAAAAAAAAAAAAAAAAAAAA",
    ],
)
async def test_an_old_cookie_that_is_none_asks_nobody(worker: Worker, website: OldWebsite, cookies: str) -> None:
    """Sent twice, empty, not ASCII, another's name, or one of our own ids."""
    website.vouch(OLD)
    raw = [(name.encode(), value.encode("latin-1")) for name, value in {**NAVIGATION, "cookie": cookies}.items()]

    refused = await worker.client.get("/latch/bridge?to=", headers=raw)

    assert refused.status_code == 303
    assert [line.partition("=")[0] for line in set_cookies(refused)] == [_MARK]
    assert website.asked == []


_TROUBLE: list[int | dict[str, Any] | bytes] = [
    500,
    302,
    404,
    b"",
    b"<html>",
    b"\xff",
    b"x" * 20_000,
    {},
    {"account": "ada"},
    {"account": "a b", "authenticated_at_ms": 1},
    {"account": "ada", "authenticated_at_ms": -1},
    {"account": "ada", "authenticated_at_ms": 1, "admin": True},
    {"account": "ada", "authenticated_at_ms": 1, "session": "latchstring:short"},
]


@pytest.mark.parametrize("said", _TROUBLE)
async def test_a_website_that_does_not_say_signs_nobody_out(worker: Worker, website: OldWebsite, said: Any) -> None:
    """503 with a way to try again, no cookie touched; a page for everybody is shown all the same."""
    website.says[OLD] = said
    jar = Jar({COOKIE: OLD})

    page = await _cross(worker, jar, (await worker.navigate(jar)).headers["location"])
    still_old = Jar(jar)
    home = await _cross(worker, jar, (await worker.navigate(jar, "/optional")).headers["location"])

    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert "/latch/bridge?to=v1." in page.text
    assert "website_away" in page.text
    assert still_old == {COOKIE: OLD}
    assert (home.status_code, home.headers["location"]) == (303, "/watch?title=7")
    assert (await worker.navigate(jar, "/optional")).status_code == 200


async def test_the_old_cookie_is_neither_stored_nor_logged(
    worker: Worker, website: OldWebsite, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not when it is good, not when the website fails."""
    await _moved_in(worker, website, session="name-of-a-session")
    website.says["fails-badly"] = {"account": "fails-badly"}
    await _cross(worker, Jar({COOKIE: "fails-badly"}))

    everything = repr(await dump(worker.store)) + "".join(capfd.readouterr())

    assert "moved_in" in everything
    assert [secret for secret in (OLD, "name-of-a-session", "fails-badly") if secret in everything] == []


async def test_a_limit_of_sessions_counts_the_one_that_moves_in_once(
    store_url: str, tmp_path: Path, website: OldWebsite
) -> None:
    """Asked for again after a lost answer, it is no session too many; another old session then ends it."""
    settings = settings_for(store_url, tmp_path, bridge_url=website.url, bridge_cookie=COOKIE, sessions_per_account=1)
    async with running_worker(settings) as worker:
        await _moved_in(worker, website)
        jar = await _moved_in(worker, website)
        alone = await worker.verify(jar)
        await _moved_in(worker, website, "another")
        await wait_until_async(lambda: worker.rooms.feed.replica.revoked, "the first session to be ended")

        assert (alone.status_code, (await worker.verify(jar)).status_code) == (200, 401)


async def test_an_imported_session_gets_its_first_cookie_at_the_bridge(
    worker: Worker, website: OldWebsite, tmp_path: Path
) -> None:
    """The same record and the same device, first seen when the website saw it first."""
    device = device_line(name="Old phone")
    await run_import(worker.store, write_lines(tmp_path / "d", device), "devices")
    session = session_line(session="s1", device="d1", created_at_ms=now_ms() - 9 * _DAY_MS)
    session["authenticated_at_ms"] = session["created_at_ms"]
    await run_import(worker.store, write_lines(tmp_path / "s", session), "sessions")
    (before,) = await _devices(worker)

    jar = await _moved_in(worker, website, session="s1")
    (after,) = await _devices(worker)
    row = await worker.store.redis.hgetall(keys.session(keys.partition_of(ADA), to_text(worker.lease(jar).session)))

    repeated = await _moved_in(worker, website, session="s1")

    assert worker.lease(repeated).session == worker.lease(jar).session, "its answer may have been lost"
    assert to_text(worker.lease(jar).device) == before["id"] == after["id"]
    assert (after["name"], after["first_seen_ms"]) == ("Old phone", device["first_seen_ms"])
    assert (row["created_at_ms"], row["n"]) == (str(session["created_at_ms"]), "1")
    assert (await worker.verify(jar)).status_code == 200
    again = await worker.sign_in(jar=jar)
    assert again.json()["device"] == {**again.json()["device"], "id": before["id"], "new": False}


@pytest.mark.parametrize("act", ["device removed", "session ended", "signed out everywhere"])
async def test_an_imported_session_can_be_ended_before_its_visitor_comes(
    worker: Worker, website: OldWebsite, tmp_path: Path, act: str
) -> None:
    """The owner sees an old device on the page, removes it, and its old cookie is worth nothing."""
    await run_import(worker.store, write_lines(tmp_path / "s", session_line(session="s1")), "sessions")
    (device,) = await _devices(worker)
    (name,) = [key async for key in worker.store.redis.scan_iter("*:session:*")]
    url = {
        "device removed": f"/v1/accounts/ada/devices/{device['id']}",
        "session ended": f"/v1/accounts/ada/sessions/{name.rpartition(':')[2]}",
    }
    ended = await (worker.api("DELETE", url[act]) if act in url else worker.api("POST", "/v1/accounts/ada/revoke"))
    # However late the website says the password was checked.
    website.vouch(OLD, session="s1", authenticated_at_ms=now_ms() + 5)
    jar = Jar({COOKIE: OLD})

    await _cross(worker, jar)

    assert ended.status_code == 200
    assert SESSION not in jar
