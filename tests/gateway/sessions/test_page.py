"""Arriving after a sign-in and leaving by sign-out, as a browser meets them."""

from typing import Any

import httpx
import pytest

from harness.worker_app import AGENT, DEVICE, NAVIGATION, RUN, SESSION, Jar, Worker, now_ms, set_cookies
from latchstring_gateway.ids import Account, to_text
from latchstring_gateway.sessions import return_path
from latchstring_gateway.store import keys

_SAME_ORIGIN = {"sec-fetch-site": "same-origin", "origin": "https://www.example.com"}


async def _sign_out(worker: Worker, jar: Jar | None, headers: dict[str, str] = _SAME_ORIGIN) -> httpx.Response:
    cookie = {} if jar is None else {"cookie": jar.header()}
    return await worker.client.post("/latch/sign-out", headers={**headers, **cookie})


async def _state(worker: Worker, jar: Jar) -> str | None:
    session = keys.session(keys.partition_of(Account("ada")), to_text(worker.lease(jar).session))
    state: Any = await worker.store.redis.hget(session, "state")
    return str(state)


async def _arrive(worker: Worker, sealed: str, jar: Jar | None) -> httpx.Response:
    cookie = {} if jar is None else {"cookie": jar.header()}
    return await worker.client.get("/latch/arrived", params={"to": sealed}, headers=cookie)


async def test_the_whole_way_in_leads_back_to_where_the_visitor_wanted_to_go(worker: Worker) -> None:
    """The sealed target of the redirect comes back through the sign-in and the arrival page."""
    sent_away = await worker.navigate(None)
    sealed = sent_away.headers["location"].partition("return=")[2]
    jar = Jar()
    back: dict[str, Any] = {"return": sealed}
    continue_to = (await worker.sign_in(jar=jar, **back)).json()["continue_to"]

    arrived = await worker.client.get(continue_to, headers={"cookie": jar.header()})

    assert (arrived.status_code, arrived.headers["location"]) == (303, "/watch?title=7")
    assert arrived.headers["cache-control"] == "no-store"


async def test_a_browser_that_refuses_cookies_gets_a_page_that_says_so(worker: Worker) -> None:
    """No cookie came back: a plain page instead of a redirect loop; likewise where a sibling host forged a second."""
    sealed = return_path.seal(worker.rooms.codec, "/watch", now_ms=now_ms())
    jar = await worker.signed_in()

    for cookies in (None, Jar({DEVICE: jar[DEVICE]}), Jar({SESSION: f"{jar[SESSION]}; {SESSION}=x"})):
        answer = await _arrive(worker, sealed, cookies)

        assert answer.status_code == 403
        assert "location" not in answer.headers
        assert "cookie" in answer.text.lower()
        assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize("to", ["", "//evil.com", "https://evil.com", "v1.a.b.c", "%00", "\\evil", "x" * 5_000])
async def test_an_arrival_with_a_target_we_did_not_seal_leads_to_the_front_page(worker: Worker, to: str) -> None:
    """Nobody is sent elsewhere with our help."""
    answer = await _arrive(worker, to, await worker.signed_in())

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_signing_out_ends_the_session_everywhere_and_clears_its_cookies(worker: Worker) -> None:
    """Session and run cookie go, the device stays known, and the old cookie is worthless."""
    jar = await worker.signed_in()
    before = Jar(jar)

    answer = await _sign_out(worker, jar)
    jar.take(set_cookies(answer))

    assert answer.status_code == 200
    assert sorted(jar) == [DEVICE]
    assert all("; Path=/; Secure; SameSite=Lax; Max-Age=0" in line for line in set_cookies(answer))
    assert "clear-site-data" in answer.headers
    assert (await worker.verify(before)).status_code == 401
    assert await _state(worker, before) == "ended"


async def test_signing_out_ends_the_session_with_a_lease_that_has_run_out(worker: Worker) -> None:
    """The store is asked for it, and then told."""
    jar = await worker.signed_in()

    answer = await _sign_out(worker, worker.run_out(jar))

    assert answer.status_code == 200
    assert await _state(worker, jar) == "ended"


async def test_signing_out_ends_the_session_although_the_run_cookie_is_gone(worker: Worker) -> None:
    """The browser was signed out anyway, but a copy of both cookies would have gone on."""
    jar = await worker.signed_in(remember=False)

    answer = await _sign_out(worker, Jar({SESSION: jar[SESSION]}))

    assert answer.status_code == 200
    assert await _state(worker, jar) == "ended"
    assert (await worker.verify(jar)).status_code == 401


async def _sign_out_everywhere(worker: Worker, jar: Jar | None) -> httpx.Response:
    cookie = {} if jar is None else {"cookie": jar.header()}
    return await worker.client.post("/latch/sign-out-everywhere", headers={**_SAME_ORIGIN, **cookie})


async def test_signing_out_everywhere_ends_every_sign_in_of_the_account(worker: Worker) -> None:
    """Here and elsewhere, remembered or not, by one act whose receipt is told; nobody else is touched."""
    jars = [await worker.signed_in(remember=remember) for remember in (True, False)]
    other = await worker.signed_in("bob")
    checked_at = now_ms()

    asked = await worker.client.get("/latch/sign-out-everywhere")
    answer = await _sign_out_everywhere(worker, Jar(jars[0]))

    assert (asked.status_code, answer.status_code) == (200, 200)
    assert "<bdi>Your account</bdi> is signed out everywhere (1 of 1 server confirmed" in answer.text
    assert [line.partition("=")[0] for line in set_cookies(answer)] == [SESSION, RUN]
    assert "clear-site-data" in answer.headers
    assert [(await worker.verify(jar)).status_code for jar in (*jars, other)] == [401, 401, 200]
    overtaken = await worker.sign_in(authenticated_at_ms=checked_at)
    assert (overtaken.status_code, overtaken.json()["code"]) == (409, "sign_in_overtaken")


async def test_signing_out_everywhere_is_for_the_signed_in(worker: Worker) -> None:
    """A stranger, an old cookie and another website sign nobody out."""
    jar = await worker.signed_in()
    session = (await worker.verify(jar)).headers["x-latch-session"]
    ended = await worker.signed_in()
    await worker.api("DELETE", f"/v1/accounts/ada/sessions/{(await worker.verify(ended)).headers['x-latch-session']}")

    strangers = [await _sign_out_everywhere(worker, one) for one in (None, Jar({SESSION: "junk"}), ended)]
    forged = await worker.client.post(
        "/latch/sign-out-everywhere", headers={"sec-fetch-site": "cross-site", "cookie": jar.header()}
    )

    assert [(a.status_code, a.headers["location"]) for a in strangers] == [(303, "/sign-in")] * 3
    assert forged.status_code == 403
    assert (await worker.verify(jar)).headers["x-latch-session"] == session


@pytest.mark.parametrize("cookies", [None, Jar(), Jar({SESSION: "junk"}), Jar({RUN: "x"})])
async def test_signing_out_without_a_session_says_signed_out(worker: Worker, cookies: Jar | None) -> None:
    """Pressing the button twice is no error."""
    answer = await _sign_out(worker, cookies)

    assert answer.status_code == 200
    assert len(set_cookies(answer)) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "https://cdn.example.com"},
    ],
)
async def test_no_other_website_can_sign_a_visitor_out(worker: Worker, headers: dict[str, str]) -> None:
    """403, nothing ended, nothing cleared; and a GET only asks."""
    jar = await worker.signed_in()

    forged = await _sign_out(worker, jar, headers)
    asked = await worker.client.get("/latch/sign-out", headers={"cookie": jar.header()})

    assert forged.status_code == 403
    assert set_cookies(forged) == []
    assert asked.status_code == 200
    assert "<form" in asked.text
    assert set_cookies(asked) == []
    assert (await worker.verify(jar)).status_code == 200


async def test_our_own_pages_wrote_down_the_proxys_network(worker: Worker) -> None:
    """A renewal on the page of devices, or at a sign-out, is of the visitor, as a trusted proxy tells it."""
    jar = Jar()
    await worker.sign_in("ada", jar=jar, browser={"user_agent": AGENT, "address": "193.0.6.139"})
    headers = {**NAVIGATION, "cookie": worker.run_out(jar).header(), "x-forwarded-for": "203.0.113.9, 127.0.0.1"}
    shown = await worker.client.get("/latch/devices", headers=headers)
    (row,) = (await worker.api("GET", "/v1/accounts/ada/devices")).json()["devices"]

    assert shown.status_code == 200
    assert row["place"] == "203.0.113.0/24"
