"""What is refused, and how the refusal arrives: redirects, problems, outages, no cookies."""

import re
from collections.abc import Callable

import pytest

from harness.edge_browser import SESSION, Answer, Browser, request
from harness.edge_gateway import EdgeGateway
from harness.proxies import Proxy
from harness.waiting import wait_until

pytestmark = pytest.mark.edge

Browsers = Callable[..., Browser]


def sealed(account_of: Browser) -> str:
    """The session cookie of a browser."""
    return account_of.cookies[SESSION]


def test_a_page_without_sign_in_is_sent_to_sign_in(edge: Proxy, browser: Browsers) -> None:
    """The 303 of the gateway arrives as 303, with its own relative Location, asks for hints, and is never cached."""
    answer = browser().ask("/watch/1?x=2")

    assert answer.status == 303
    assert answer.one("location").startswith("/sign-in?return=v1.")
    assert answer.one("cache-control") == "no-store"
    assert answer.one("accept-ch") == "Sec-CH-UA-Model, Sec-CH-UA-Form-Factors"
    assert answer.all("set-cookie") == []
    assert answer.all("retry-after") == []


def test_the_303_carries_the_one_cookie_that_clears(edge: Proxy, gateway: EdgeGateway, browser: Browsers) -> None:
    """A cookie that was proved bad is cleared on the way to the sign-in page, and only on a navigation."""
    alice = browser(gateway.sign_in("alice")["set_cookie"])
    alice.cookies[SESSION] = sealed(alice)[:-1]

    image = alice.ask("/logo.png", dest="image")
    page = alice.ask("/")

    assert (image.status, image.all("set-cookie")) == (401, [])
    assert page.status == 303
    assert page.one("set-cookie").startswith(f"{SESSION}=; ")
    assert "Max-Age=0" in page.one("set-cookie")


def test_fetches_get_a_problem_instead(edge: Proxy, browser: Browsers) -> None:
    """A fetch, an image and a POST without sign-in get 401 with the gateway's own body."""
    for how in ({"dest": "empty"}, {"dest": "image"}, {"method": "POST", "content": b"x", "dest": "empty"}):
        answer = browser().ask("/data", **how)

        assert answer.status == 401
        assert answer.one("content-type") == "application/problem+json"
        assert (answer.json()["code"], answer.json()["status"]) == ("not_signed_in", 401)
        assert answer.one("cache-control") == "no-store"
        assert answer.all("location") == []


def test_a_remembered_visitor_must_show_the_password_for_payment(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers
) -> None:
    """Without this run's cookie a visitor is remembered, and the fresh route says so by code and by redirect."""
    alice = browser(gateway.sign_in("alice")["set_cookie"])
    del alice.cookies["__Host-run"]

    fetch = alice.ask("/account/payment/card", dest="empty")
    page = alice.ask("/Account/Payment")

    assert alice.ask("/").received()["x-latch-level"] == "remembered"
    assert (fetch.status, fetch.json()["code"]) == (401, "fresh_required")
    assert page.status == 303
    assert page.one("location").endswith("&fresh=1")


@pytest.mark.parametrize("status", [303, 401, 403, 404, 500, 502, 503])
def test_what_the_website_answers_passes_unchanged(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers, status: int
) -> None:
    """The website's own errors are its own: status and body arrive as they left."""
    alice = browser(gateway.sign_in("alice")["set_cookie"])

    answer = alice.ask(f"/page?status={status}")

    assert answer.status == status
    assert answer.json()["target"] == f"/page?status={status}"


def test_while_the_store_is_away_visitors_are_asked_to_come_back(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers
) -> None:
    """503 with Retry-After and no cookie touched, never 401; public pages go on; then everything is as before."""
    alice = browser(gateway.sign_in("alice")["set_cookie"])
    alice.ask("/")
    answers: list[Answer] = []

    def is_away() -> bool:
        answers.append(alice.ask("/", dest="empty"))
        return answers[-1].status == 503

    gateway.valkey.freeze()
    try:
        wait_until(is_away, "the gateway to say that it cannot know")
        public = alice.ask("/public/film")
        page = alice.ask("/")
    finally:
        gateway.valkey.thaw()
    wait_until(lambda: alice.ask("/").status == 200, "the gateway to know again")

    assert {answer.status for answer in answers} <= {200, 503}
    away = answers[-1]
    assert (away.json()["code"], away.one("retry-after")) == ("store_away", "2")
    assert away.one("content-type") == "application/problem+json"
    assert (page.status, page.one("content-type")) == (503, "text/html; charset=utf-8")
    assert page.one("retry-after") == "2"
    assert b"Nothing is lost" in page.body
    assert all(not answer.all("set-cookie") for answer in (away, page, public))
    assert public.status == 200
    # The other worker too: what it answered 503 a moment longer failed the test that came next.
    wait_until(gateway.all_follow, "every worker to know again")


def test_a_browser_that_refuses_cookies_gets_a_page_that_says_so(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers
) -> None:
    """After a sign-in whose cookies were dropped there is a plain page and no redirect, so no loop."""
    started = gateway.sign_in("alice")
    stubborn = browser()

    answer = stubborn.ask(started["continue_to"])

    assert answer.status == 403
    assert answer.all("location") == []
    assert answer.one("content-type").startswith("text/html")
    assert b"cookies" in answer.body.lower()


@pytest.mark.parametrize(
    "credentials",
    [b"X-None: x", b"Authorization: Basic YTpi", b"Authorization: Bearer foreign", b"Cookie: __Host-session=x"],
)
def test_a_401_carries_a_challenge_that_opens_no_password_window(edge: Proxy, credentials: bytes) -> None:
    """RFC 9110 wants one with every 401; for Basic, Digest or Negotiate a browser asks for a password by itself."""
    answer = request(edge, b"/secret", credentials)

    assert answer.status == 401
    assert answer.one("www-authenticate") == 'Bearer realm="latchstring"'


_FORM = {"content-type": "application/x-www-form-urlencoded", "origin": "https://localhost"}


@pytest.mark.parametrize("target", ["/orders?step=2", "/account/payment", "/latch/activate", "/latch/devices/x/remove"])
def test_a_form_that_is_sent_after_the_session_ended_is_answered_with_a_page(
    edge: Proxy, browser: Browsers, target: str
) -> None:
    """A person saw a bare JSON problem, and what was entered was gone: now the way in, and reloading sends it again."""
    stranger = browser()
    form = {
        **_FORM,
        "referer": f"{edge.url}/orders?step=1",
        "sec-fetch-site": "same-origin",
        "accept-language": "nl, en",
    }

    page = stranger.ask(target, "POST", headers=form, content=b"a=b")
    script = stranger.ask(target, "POST", dest="empty", headers=form, content=b"a=b")

    text = page.body.decode()
    assert (page.status, page.one("content-type")) == (401, "text/html; charset=utf-8")
    assert "reload" in text
    assert 'target="_blank"' in text
    assert "default-src 'none'" in page.one("content-security-policy")
    assert page.one("www-authenticate").startswith("Bearer")
    assert "no-store" in page.one("cache-control")
    assert not page.all("x-latch-page")
    assert (script.status, script.one("content-type"), script.json()["code"]) == (
        401,
        "application/problem+json",
        "not_signed_in",
    )


def test_the_way_back_from_a_form_is_the_page_it_stands_on(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers
) -> None:
    """By Referer, if that is a page of this host; a form of another leads to the front page."""
    ways = {}
    for came_from in (f"{edge.url}/orders?step=1", "https://evil.example/orders", "junk", ""):
        form = {**_FORM, "referer": came_from} if came_from else _FORM
        page = browser().ask("/orders", "POST", headers=form, content=b"a=b").body.decode()
        found = re.search(r'href="/sign-in\?return=([^"&]+)"', page)
        assert found is not None
        started = gateway.sign_in("frida", return_to=found[1])
        cookie = "; ".join(line.partition(";")[0] for line in started["set_cookie"])
        ways[came_from] = gateway.client.get(started["continue_to"], headers={"cookie": cookie}).headers["location"]

    assert list(ways.values()) == ["/orders?step=1", "/", "/", "/"]


def test_a_remembered_visitors_form_leads_to_the_password(edge: Proxy, gateway: EdgeGateway, browser: Browsers) -> None:
    """Where the route wants it of this session."""
    known = browser(gateway.sign_in("frida")["set_cookie"])
    del known.cookies["__Host-run"]

    page = known.ask("/account/payment", "POST", headers=_FORM, content=b"a=b")

    assert (page.status, page.one("content-type")) == (401, "text/html; charset=utf-8")
    assert b"&amp;fresh=1" in page.body
    assert page.all("set-cookie") == []


@pytest.mark.parametrize("target", ["/latch/nope", "/latch/devices/x/nope"])
def test_a_page_of_ours_that_is_not_there_is_told_in_words(edge: Proxy, browser: Browsers, target: str) -> None:
    """And to scripts in JSON, as ever."""
    page, script = browser().ask(target), browser().ask(target, dest="empty")

    assert (page.status, page.one("content-type")) == (404, "text/html; charset=utf-8")
    assert b"There is nothing here" in page.body
    assert (script.status, script.json()["code"]) == (404, "no_such_url")
