"""Spellings of a path that would borrow the rule of another, and ways back that would leave the host."""

from collections.abc import Callable

import pytest

from harness.edge_browser import SESSION, Browser, request
from harness.edge_gateway import EdgeGateway
from harness.proxies import Proxy
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyring import KeyRing, create_key_file
from latchstring_gateway.tokens.purposes import ReturnTo

pytestmark = pytest.mark.edge

Browsers = Callable[..., Browser]
#: Not the page of a rule for /public/, whatever the spelling.
BORROWED_PATHS = (
    b"/public/../admin",
    b"/public/%2e%2e/admin",
    b"/public/%2E%2e/admin",
    b"/public%2F..%2Fadmin",
    b"/public%2fadmin",
    b"/public/..%2fadmin",
    b"/public/%252e%252e/admin",
    b"/public/..;/admin",
    b"/public/..;x=y/admin",
    b"/public/.;/admin",
    b"/public/./../admin",
    b"/public/..",
    b"/public/%2e%2e",
    b"/public/....//admin",
    b"/public/%2e%2e%2e%2e//admin",
    b"/public/..\\admin",
    b"/public\\..\\admin",
    b"/public/%5c..%5cadmin",
    b"/public/x%00/../admin",
    b"/public/secret#/../admin",
    b"/admin#/public/",
    b"/admin;x=/public/",
    b"/admin;/public/",
    b"//admin",
    b"/admin/./",
    b"/admin%2f..%2fpublic/",
    b"/ADMIN",
    b"/PUBLIC/../admin",
    b"/admin.",
    b"/admin%20",
    b"/admin?path=/public/",
    b"/admin?/../public/",
    b"/secret%23/public/",
    b"http://localhost/admin",
    b"http://evil.example/admin",
    b"http://localhost/public/../admin",
    b"/publicity",
    b"/public",
    b"/account//payment",
    b"/Account/Payment",
)
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


@pytest.mark.parametrize("path", BORROWED_PATHS, ids=lambda path: path.decode("latin-1"))
def test_no_spelling_of_a_path_borrows_the_rule_of_another(edge: Proxy, path: bytes) -> None:
    """A stranger gets nowhere: the path is refused, or protected, or another host's."""
    answer = request(edge, path)

    assert answer.status in (400, 401, 421), answer


@pytest.mark.parametrize("path", BORROWED_PATHS[-2:], ids=["doubled slash", "capitals"])
def test_no_spelling_of_a_path_escapes_the_fresh_rule(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers, path: bytes
) -> None:
    """A visitor who is only remembered stays out of the payment page however it is spelled."""
    alice = browser(gateway.sign_in("alice")["set_cookie"])

    answer = request(edge, path, f"Cookie: {SESSION}={alice.cookies[SESSION]}".encode())

    assert answer.status == 401
    assert answer.json()["code"] == "fresh_required"


@pytest.mark.parametrize("path", REDIRECT_TRICKS, ids=lambda path: path.decode("latin-1"))
def test_no_address_makes_the_way_back_leave_the_host(edge: Proxy, gateway: EdgeGateway, path: bytes) -> None:
    """Whatever was asked for, Location is our sign-in page, and after it comes a path of this host."""
    answer = request(edge, path, b"Accept: text/html")

    assert answer.status in (303, 400, 421), answer
    if answer.status == 303:
        assert answer.one("location").startswith("/sign-in?return=v1.")
        assert_own(arrived(gateway, return_to=answer.one("location").partition("return=")[2]))


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
