"""The day of the change, behind each proxy: whoever has the website's old cookie is in, and nobody else."""

import secrets
from collections.abc import Callable

import pytest

from harness.edge_browser import SESSION, Answer, Browser
from harness.edge_gateway import EdgeGateway
from harness.proxies import Proxy

pytestmark = pytest.mark.edge

Browsers = Callable[..., Browser]


def _open(browser: Browser, target: str) -> list[Answer]:
    """Open a page and follow redirects as a browser does, ten at most."""
    answers = [browser.ask(target)]
    while answers[-1].status == 303 and len(answers) < 10 and not _location(answers[-1]).startswith("/sign-in"):
        answers.append(browser.ask(_location(answers[-1])))
    return answers


def _location(answer: Answer) -> str:
    return answer.one("location")


@pytest.mark.parametrize("target", ["/watch?title=7", "/account/payment", "/public/home"])
def test_a_visitor_with_the_old_cookie_sees_the_page_he_asked_for(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers, target: str
) -> None:
    """Over the bridge and back in three redirects; the website is told who it is, and keeps getting its old cookie."""
    old = f"ada.{secrets.token_hex(8)}"
    ada = browser([f"oldsession={old}"])

    answers = _open(ada, target)

    assert [answer.status for answer in answers] == [303, 303, 303, 200]
    assert [len(answer.all("set-cookie")) for answer in answers] == [0, 3, 0, 0]
    assert answers[-1].json()["target"] == target
    assert answers[-1].received()["x-latch-account"] == "ada"
    assert answers[-1].received()["x-latch-level"] == "fresh"
    assert answers[-1].received("cookie")["cookie"].startswith(f"oldsession={old}")
    assert {answer.one("cache-control") for answer in answers[:3]} == {"no-store"}


@pytest.mark.parametrize("old", ["nobody", "ada%2E1", ""])
def test_a_visitor_for_whom_nobody_vouches_signs_in(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers, old: str
) -> None:
    """He comes to rest at the sign-in page, and sees what everybody may see."""
    stranger = browser([f"oldsession={old}"])

    answers = _open(stranger, "/watch")
    home = _open(stranger, "/public/home")

    assert _location(answers[-1]).startswith("/sign-in?return=")
    assert home[-1].status == 200
    assert "x-latch-account" not in {name for name, value in home[-1].received().items() if value}
    assert SESSION not in stranger.cookies


def test_only_pages_lead_over_the_bridge(edge: Proxy, gateway: EdgeGateway, browser: Browsers) -> None:
    """A fetch gets its 401, as without the old cookie."""
    ada = browser(["oldsession=ada.fetch"])

    assert ada.ask("/api", dest="empty").status == 401
    assert ada.ask("/save", "POST", content=b"x").status == 401
    assert ada.ask("/latch/bridge?to=", dest="image").status == 401


def test_an_old_cookie_is_good_once_at_the_edge_too(edge: Proxy, gateway: EdgeGateway, browser: Browsers) -> None:
    """Grace (1 s here) is over: a copy on another browser is sent to sign in."""
    old = f"oldsession=ada.{secrets.token_hex(8)}"
    ada, thief = browser([old]), browser([old])
    _open(ada, "/watch")
    ada.ask_until_renewed("/watch")

    answers = _open(thief, "/watch")

    assert _location(answers[-1]).startswith("/sign-in?return=")
    assert ada.ask("/watch").status == 200
