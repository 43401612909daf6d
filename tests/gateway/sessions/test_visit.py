"""What a request is, and what its answer may carry."""

import pytest

from latchstring_gateway.sessions import visit
from latchstring_gateway.wire import Head, Header
from latchstring_middleware.forwarded import OriginalRequest

_BROWSER_NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": "text/html"}


def _head(method: str = "GET", **headers: str) -> Head:
    sent: list[Header] = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Head(method.encode(), b"/watch?title=7", sent, "192.0.2.10")


def _original(method: str = "GET", target: str = "/watch") -> OriginalRequest:
    return OriginalRequest(method, target, "www.example.com", "https", "198.51.100.7")


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        # Documents and fetches carry; a request that says nothing is an old browser or a program.
        ("GET", {}, "advance"),
        ("GET", {"sec-fetch-dest": "document"}, "advance"),
        ("GET", {"sec-fetch-dest": "iframe"}, "advance"),
        ("GET", {"sec-fetch-dest": "empty"}, "advance"),
        # Sub-resources do not: their answers may be shared, prefetched or long in coming.
        *(("GET", {"sec-fetch-dest": dest}, "none") for dest in ("image", "video", "script", "style", "font", "", "x")),
        # Streams and upgrades begin once and last long.
        ("GET", {"sec-fetch-dest": "empty", "upgrade": "websocket"}, "none"),
        ("GET", {"sec-fetch-dest": "empty", "accept": "text/event-stream"}, "none"),
        ("GET", {"sec-fetch-dest": "empty", "range": "bytes=0-1"}, "none"),
        # Writes hand back the same counter, and only when their body is known to be short.
        ("POST", {"x-latch-content-length": "0"}, "same"),
        ("POST", {"x-latch-content-length": "65536"}, "same"),
        ("PUT", {"x-latch-content-length": "10"}, "same"),
        ("PATCH", {"x-latch-content-length": "10"}, "same"),
        ("POST", {"x-latch-content-length": "65537"}, "none"),
        ("POST", {"x-latch-content-length": "-1"}, "none"),
        ("POST", {"x-latch-content-length": "1e3"}, "none"),
        ("POST", {"x-latch-content-length": "9" * 5_000}, "none"),
        ("POST", {"x-latch-content-length": "10", "sec-fetch-dest": "image"}, "none"),
        ("POST", {}, "none"),
        ("POST", {"content-length": "10"}, "same"),
        ("POST", {"content-length": "1000000"}, "none"),
        ("POST", {"content-length": "1000000", "x-latch-content-length": "10"}, "none"),
        ("POST", {"transfer-encoding": "chunked"}, "none"),
        ("POST", {"transfer-encoding": "chunked", "content-length": "10"}, "none"),
        *((method, {"x-latch-content-length": "0"}, "none") for method in ("DELETE", "HEAD", "OPTIONS", "QUERY")),
    ],
)
def test_a_cookie_rides_only_on_answers_that_a_browser_stores_promptly(
    method: str, headers: dict[str, str], expected: str
) -> None:
    """Which answers may hand back a renewed cookie, by method, destination and length of the request."""
    direct = visit.may_carry(_head(method, **headers))
    forwarded = visit.read(_head(**headers), _original(method), arrived_ns=0).carry

    assert direct == expected
    assert forwarded == expected


def test_a_background_poll_carries_no_cookie() -> None:
    """A poll that handed out longer leases would keep the requests that count for the idle limit off the store."""
    polled = visit.read(_head(sec_fetch_dest="empty"), _original(), arrived_ns=0, background=True)

    assert polled.carry == "none"


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", _BROWSER_NAVIGATION, True),
        ("GET", {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, True),
        ("GET", {"sec-fetch-mode": "navigate", "sec-fetch-dest": "object"}, False),
        ("GET", {"sec-fetch-mode": "navigate"}, False),
        ("GET", {"sec-fetch-mode": "cors", "sec-fetch-dest": "empty", "accept": "text/html"}, False),
        ("GET", {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image", "accept": "text/html"}, False),
        ("GET", {"accept": "text/html,application/xhtml+xml"}, True),
        ("GET", {"accept": "text/html", "x-requested-with": "XMLHttpRequest"}, False),
        ("GET", {"accept": "text/html", "upgrade": "websocket"}, False),
        ("GET", {"accept": "image/avif,*/*"}, False),
        ("GET", {"accept": "application/json"}, False),
        ("GET", {}, False),
        ("POST", _BROWSER_NAVIGATION, False),
        ("HEAD", _BROWSER_NAVIGATION, False),
    ],
)
def test_only_a_page_navigation_may_be_sent_to_sign_in(method: str, headers: dict[str, str], expected: bool) -> None:
    """A fetch, an image, a TV or a form post must get a status that it understands, not a sign-in page."""
    assert visit.read(_head(**headers), _original(method), arrived_ns=0).navigation is expected


def test_method_and_target_are_the_browsers_where_a_proxy_asks() -> None:
    """What a trusted proxy says of the request is judged; without one, the request itself is."""
    asked = visit.read(_head("GET", x_forwarded_method="DELETE"), _original("POST", "/pay"), arrived_ns=5)
    direct = visit.read(_head("GET"), None, arrived_ns=5)

    assert (asked.method, asked.target, asked.client_address) == ("POST", "/pay", "198.51.100.7")
    assert (direct.method, direct.target, direct.client_address) == ("GET", "/watch?title=7", "192.0.2.10")
