"""What a route requires beyond its question: said by the proxy's configuration, and by no client in any spelling."""

from collections.abc import Callable

import pytest

from harness.edge_browser import SPELLINGS, Browser, cookie_line, request
from harness.edge_gateway import EchoWebsite, EdgeGateway
from harness.proxies import STARTERS, Certificate, Proxy
from harness.waiting import wait_until

pytestmark = pytest.mark.edge

Browsers = Callable[..., Browser]


def aged(gateway: EdgeGateway, edge: Proxy, browser: Browsers) -> Browser:
    """A browser whose password was checked just longer ago than /account/email takes."""
    old = browser(gateway.sign_in("grace", seconds_ago=299)["set_cookie"])
    wait_until(lambda: old.ask("/account/email", dest="empty").status == 401, "the password to be five minutes old")
    return old


def test_a_password_of_five_minutes_ago_is_asked_for_again(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers
) -> None:
    """401 with the challenge of RFC 9470 for a fetch, the sign-in page for a navigation; elsewhere all is well."""
    old = aged(gateway, edge, browser)

    fetch = old.ask("/account/email", dest="empty")
    page = old.ask("/Account/Email/new")

    problem = fetch.json()
    assert (problem["code"], problem["max_age"]) == ("authentication_too_old", 300)
    assert 'error="insufficient_user_authentication"' in fetch.one("www-authenticate")
    assert page.status == 303
    assert page.one("location").endswith("&fresh=1")
    assert fetch.all("set-cookie") + page.all("set-cookie") == []
    assert old.ask("/account/payment").status == 200
    young = browser(gateway.sign_in("grace")["set_cookie"])
    assert young.ask("/account/email").received()["x-latch-level"] == "fresh"


def test_the_website_is_not_told_what_was_required(edge: Proxy, gateway: EdgeGateway, browser: Browsers) -> None:
    """It gets the six identity headers, the country, and nothing else of ours."""
    received = browser(gateway.sign_in("grace")["set_cookie"]).ask("/account/email").received()

    assert "x-latch-require" not in received
    assert len(received) == 7
    assert received["x-latch-country"] == "NL"


@pytest.mark.parametrize("said", [b"background", b"max-auth-age=31536000", b"", b"junk"])
def test_no_client_can_say_what_is_required(edge: Proxy, gateway: EdgeGateway, browser: Browsers, said: bytes) -> None:
    """In no spelling, once, twice or named in Connection: the route's own requirement stands and none is added."""
    sent = cookie_line(aged(gateway, edge, browser))

    for spelling in SPELLINGS:
        line = spelling % b"Require" + b": " + said
        for lines in ([line], [line, line], [line, b"Connection: " + (spelling % b"Require")]):
            refused = request(edge, b"/account/email", sent, *lines)
            let_in = request(edge, b"/", sent, *lines)

            assert (refused.status, refused.json()["code"]) == (401, "authentication_too_old"), lines
            assert let_in.status == 200, lines
            assert "x-latch-require" not in let_in.received(), lines


def test_a_slip_of_the_pen_in_the_proxys_configuration_lets_nobody_in(
    edge: Proxy, certificate: Certificate, gateway: EdgeGateway, website: EchoWebsite, browser: Browsers
) -> None:
    """400 that says so, to members and strangers alike; the other routes go on."""
    slip = ("fresh, max-auth-age=300", "fresh, max-auth-age=5m")
    wrong = STARTERS[edge.name](certificate, gateway.address, website.address, slip)
    member = Browser(wrong, gateway.sign_in("grace")["set_cookie"])
    stranger = Browser(wrong)

    refused = [one.ask("/account/email", dest="empty") for one in (member, stranger)]

    assert [(answer.status, answer.json()["code"]) for answer in refused] == [(400, "bad_requirement")] * 2
    assert member.ask("/").status == 200
    member.close()
    stranger.close()
    wrong.close()


def test_scripts_of_an_allowed_origin_can_read_a_refusal(edge: Proxy, browser: Browsers) -> None:
    """What the gateway says of it arrives, on 401 and by origin; others get nothing of the kind."""
    allowed, other = (
        browser().ask("/data", dest="empty", headers={"origin": origin})
        for origin in ("https://app.example.com", "https://evil.example")
    )

    assert (allowed.status, other.status) == (401, 401)
    assert allowed.one("access-control-allow-origin") == "https://app.example.com"
    assert allowed.one("access-control-allow-credentials") == "true"
    assert "WWW-Authenticate" in allowed.one("access-control-expose-headers")
    assert [answer.one("vary") for answer in (allowed, other)] == ["Origin"] * 2
    assert not [name for name, _ in other.headers if name.startswith("access-control")]


def test_a_preflight_of_an_allowed_origin_is_the_websites_to_answer(edge: Proxy, browser: Browsers) -> None:
    """It reaches the website as nobody's, whatever identity it claims; another's ends at the edge."""
    asks = {"access-control-request-method": "PUT", "x-latch-account": "evil"}

    passed = browser().ask("/data", "OPTIONS", dest="empty", headers={**asks, "origin": "https://app.example.com"})
    stopped = browser().ask("/data", "OPTIONS", dest="empty", headers={**asks, "origin": "https://evil.example"})

    assert passed.json()["method"] == "OPTIONS"
    told = passed.received()
    assert told.pop("x-latch-country") == "NL"
    assert set(told.values()) <= {""}
    assert stopped.status == 401
