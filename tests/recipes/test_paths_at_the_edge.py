"""Spellings of a path that would borrow the rule of another, and ways back that would leave the host."""

from collections.abc import Callable

import pytest

from harness.edge_browser import SESSION, Browser, cookie_line, request
from harness.edge_gateway import EdgeGateway
from harness.proxies import Proxy
from harness.spellings import spellings
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyring import KeyRing, create_key_file
from latchstring_gateway.tokens.purposes import ReturnTo

pytestmark = pytest.mark.edge

Browsers = Callable[..., Browser]
REDIRECT_TRICKS = (
    b"//evil.example",
    b"///evil.example",
    b"/\\evil.example",
    b"/%09/evil.example",
    b"/%5cevil.example",
    b"/.%2fevil.example",
    b"/%0d%0aLocation:%20https://evil.example",
    b"//evil.example%2f..",
    b"//google%E3%80%82com",
    b"//evil.example/%2e%2e",
    b"https://evil.example/",
    b"http:evil.example",
    b"//;@evil.example",
    b"/x?return=https://evil.example",
    b"/x?rd=//evil.example",
)
BAD_RETURNS = (
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "/%09/evil.example",
    "javascript:alert(1)",
    "\x08//evil.example",
    "http://localhost@evil.example",
    "v1.aaaaaa.kqEvzwAAAaILJmDw.NBGWmwb01viTA20owRKTTKQQJUOVNL04d1Wk97wZAgI",
    "",
    "v1",
)


def test_no_spelling_of_a_path_borrows_the_rule_of_another(edge: Proxy) -> None:
    """A stranger gets nowhere: the path is refused, or protected, or another host's."""
    for path in [path for kind in ("member", "fresh", "recent", "closed") for path in spellings(kind)]:
        answer = request(edge, path)

        assert answer.status in (400, 401, 421), (path, answer)


@pytest.mark.parametrize("kind", ["fresh", "recent"])
def test_no_spelling_of_a_path_escapes_its_rule(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers, kind: str
) -> None:
    """`/account/payment;x` reached the website under the rule of all other pages, and many a server cuts ";x" off."""
    # Remembered, and not fresh: the cookie of this run of the browser is missing.
    alice = browser(gateway.sign_in("alice")["set_cookie"])
    cookie = f"Cookie: {SESSION}={alice.cookies[SESSION]}".encode()

    escaped = []
    for path in spellings(kind):
        answer = request(edge, path, cookie)
        asked_again = answer.status == 401 and b"fresh_required" in answer.body
        if answer.status not in (400, 421) and not asked_again:
            escaped.append((path, answer.status))

    assert escaped == []


def test_paths_that_only_look_like_a_protected_one_keep_their_own_rule(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers
) -> None:
    """Another name is another page: no password is asked for again."""
    alice = browser(gateway.sign_in("alice")["set_cookie"])
    cookie = f"Cookie: {SESSION}={alice.cookies[SESSION]}".encode()

    assert [(path, request(edge, path, cookie).status) for path in spellings("closed")] == [
        (path, 200) for path in spellings("closed")
    ]


def test_odd_signs_are_nobodys_business_on_other_paths(edge: Proxy, gateway: EdgeGateway, browser: Browsers) -> None:
    """Blanks, semicolons and dots reach the website byte for byte, on pages for everybody and for members."""
    cookie = cookie_line(browser(gateway.sign_in("alice")["set_cookie"]))

    for path in spellings("open") + spellings("inside"):
        answer = request(edge, path, *([] if path in spellings("open") else [cookie]))

        assert answer.status == 200, (path, answer)
        assert answer.json()["target"].encode("latin-1") == path


@pytest.mark.parametrize("path", REDIRECT_TRICKS, ids=lambda path: path.decode("latin-1"))
def test_no_address_makes_the_way_back_leave_the_host(edge: Proxy, gateway: EdgeGateway, path: bytes) -> None:
    """Whatever was asked for, Location is our sign-in page, and after it comes a path of this host."""
    answer = request(edge, path, b"Accept: text/html")

    assert answer.status in (303, 400, 421), answer
    if answer.status == 303:
        assert answer.one("location").startswith("/sign-in?return=v1.")
        assert_own(arrived(gateway, return_to=answer.one("location").partition("return=")[2]))


@pytest.mark.parametrize(
    ("path", "landing"),
    [
        (b"/grid?f=" + b"x" * 692, "/grid?f=" + "x" * 692),
        (b"/grid?f=" + b"x" * 701, "/grid"),
        (b"/grid?f=a\\b&c=d", "/grid?f=a%5Cb&c=d"),
    ],
    ids=["longest", "too long", "backslash"],
)
def test_after_the_sign_in_a_visitor_is_back_on_the_page(
    edge: Proxy, gateway: EdgeGateway, path: bytes, landing: str
) -> None:
    """Or at least on its path: a query of 701 characters, or with a backslash, led to the front page."""
    answer = request(edge, path, b"Accept: text/html")

    assert answer.status == 303
    assert arrived(gateway, return_to=answer.one("location").partition("return=")[2]) == landing


@pytest.mark.parametrize("value", BAD_RETURNS, ids=repr)
def test_a_return_value_not_sealed_by_us_leads_home(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers, value: str
) -> None:
    """A return path made up by somebody else is "/", at the API and on the page that checks the cookie."""
    started = gateway.sign_in("alice", return_to=value)
    alice = browser(started["set_cookie"])
    quoted = "".join(f"%{byte:02x}" for byte in value.encode())

    assert alice.ask(f"/latch/arrived?to={quoted}").one("location") == "/"
    assert alice.ask(started["continue_to"]).one("location") == "/"


def test_a_return_value_sealed_by_a_stranger_leads_home(edge: Proxy, gateway: EdgeGateway, browser: Browsers) -> None:
    """A sealed target under a key that is not ours counts for nothing."""
    path = gateway.data_dir / "strange.json"
    if not path.exists():
        create_key_file(path)
    strange = Codec(KeyRing.load(path, SystemClock())).seal(ReturnTo("/elsewhere", SystemClock().wall_ms())).decode()
    alice = browser(gateway.sign_in("alice")["set_cookie"])

    assert alice.ask(f"/latch/arrived?to={strange}").one("location") == "/"


def arrived(gateway: EdgeGateway, *, return_to: str) -> str:
    """Where a visitor lands who signs in with this return value."""
    started = gateway.sign_in("erin", return_to=return_to)
    cookie = "; ".join(line.partition(";")[0] for line in started["set_cookie"])
    location: str = gateway.client.get(started["continue_to"], headers={"cookie": cookie}).headers["location"]
    return location


def assert_own(location: str) -> None:
    """Fail unless every browser reads `location` as a path of this host."""
    assert location.startswith("/"), location
    assert not location.startswith(("//", "/\\")), location
    assert location.isprintable(), location
