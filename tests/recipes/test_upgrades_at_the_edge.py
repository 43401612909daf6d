"""Offers to change the protocol, and what else is meant for one connection only, before a website that takes them all.

Whoever has a tunnel says to the website what they like, unchecked, `X-Latch-Account` included: `Upgrade: h2c` on a page
for everybody was enough. So WebSocket is the only protocol that passes, and only where the website speaks it.
"""

from collections.abc import Iterator

import pytest

from harness.edge_browser import Answer, Browser, cookie_line, raw
from harness.edge_gateway import EdgeGateway
from harness.proxies import STARTERS, Certificate, Proxy
from harness.switching_website import LAST_WORD, SwitchingWebsite

pytestmark = pytest.mark.edge

_H2C = (b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",)
#: Header lines that offer something else than a WebSocket, or in a way that a second reader may take for another.
OFFERS = {
    "h2c": (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", *_H2C),
    "h2c without its settings in Connection": (b"Connection: upgrade", b"Upgrade: h2c", *_H2C),
    "h2c in capitals": (b"CONNECTION: UPGRADE, HTTP2-SETTINGS", b"UPGRADE: H2C", *_H2C),
    "h2": (b"Connection: Upgrade", b"Upgrade: h2"),
    "HTTP/2.0": (b"Connection: Upgrade", b"Upgrade: HTTP/2.0"),
    "TLS": (b"Connection: Upgrade", b"Upgrade: TLS/1.0"),
    "websocket, then h2c": (b"Connection: Upgrade", b"Upgrade: websocket, h2c", *_H2C),
    "h2c, then websocket": (b"Connection: Upgrade", b"Upgrade: h2c, websocket", *_H2C),
    "h2c and websocket in two lines": (b"Connection: Upgrade", b"Upgrade: h2c", b"Upgrade: websocket", *_H2C),
    "websocket with a version": (b"Connection: Upgrade", b"Upgrade: websocket/13"),
    "tab before h2c": (b"Connection:\tUpgrade", b"Upgrade:\th2c", *_H2C),
    "no Connection": (b"Upgrade: h2c", *_H2C),
    "connect-udp": (b"Connection: Upgrade", b"Upgrade: connect-udp"),
}
WEBSOCKET = (
    b"Connection: keep-alive, Upgrade",
    b"Upgrade: WebSocket",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Version: 13",
)
_SPOOFED = (b"X-Latch-Account: root@victim", b"X-Latch-Level: fresh")


@pytest.fixture(scope="module")
def switching() -> Iterator[SwitchingWebsite]:
    """The website behind the recipes."""
    running = SwitchingWebsite()
    yield running
    running.close()


@pytest.fixture(scope="module", params=sorted(STARTERS))
def open_door(
    request: pytest.FixtureRequest, certificate: Certificate, gateway: EdgeGateway, switching: SwitchingWebsite
) -> Iterator[Proxy]:
    """The recipe under test, before that website."""
    proxy = STARTERS[request.param](certificate, gateway.address, switching.address)
    yield proxy
    proxy.close()


def offer(proxy: Proxy, target: bytes, *lines: bytes, method: bytes = b"GET", body: bytes = b"") -> Answer:
    """A request with these header lines, and behind it what HTTP/2 begins with."""
    host = b"localhost:%d" % proxy.port
    head = b"\r\n".join([b"%s %s HTTP/1.1" % (method, target), b"Host: " + host, *lines])
    return raw(proxy, head, after=body or b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + LAST_WORD)


@pytest.mark.parametrize("case", sorted(OFFERS))
def test_nobody_opens_a_tunnel(open_door: Proxy, gateway: EdgeGateway, switching: SwitchingWebsite, case: str) -> None:
    """`Upgrade: h2c` on a page for everybody made nginx and Caddy hand all later bytes on, unchecked."""
    switching.forget()
    member = member_of(gateway, open_door)

    stranger = offer(open_door, b"/public/film", *OFFERS[case], *_SPOOFED)
    signed_in = [offer(open_door, target, *OFFERS[case], *_SPOOFED, member) for target in (b"/live/socket", b"/")]

    assert {answer.status for answer in (stranger, *signed_in)} <= {200, 400}
    assert switching.tunnelled == []
    seen = b"".join(switching.heads).lower()
    assert b"\r\nupgrade:" not in seen
    assert b"http2-settings" not in seen
    assert b"root@victim" not in seen


def test_of_two_offers_the_website_hears_of_the_websocket_at_most(
    open_door: Proxy, gateway: EdgeGateway, switching: SwitchingWebsite
) -> None:
    """Nginx 1.22 reads the first of two Upgrade lines; whatever is read, the website hears one word or none."""
    switching.forget()
    offers = (b"Connection: Upgrade", b"Upgrade: websocket", b"Upgrade: h2c", *_H2C)

    stranger = offer(open_door, b"/public/film", *offers)
    member = offer(open_door, b"/live/socket", *offers, member_of(gateway, open_door))

    assert (stranger.status, member.status) in ((200, 200), (200, 101))
    seen = b"".join(switching.heads).lower()
    assert b"h2c" not in seen
    assert b"http2-settings" not in seen


def test_a_websocket_opens_only_where_the_website_speaks_it(
    open_door: Proxy, gateway: EdgeGateway, switching: SwitchingWebsite
) -> None:
    """Elsewhere the offer is dropped, and the request is the ordinary one that its rule was asked about."""
    switching.forget()
    member = member_of(gateway, open_door)

    for target in (b"/", b"/public/film", b"/account/payment", b"/notifications", b"/upload/x", b"/sign-in"):
        assert offer(open_door, target, *WEBSOCKET, member).status == 200
    assert switching.tunnelled == []
    assert b"\r\nupgrade:" not in b"".join(switching.heads).lower()


def test_a_member_s_websocket_reaches_the_website_under_live(
    open_door: Proxy, gateway: EdgeGateway, switching: SwitchingWebsite
) -> None:
    """However a client writes it, the website receives one `Upgrade: websocket`."""
    switching.forget()
    member = member_of(gateway, open_door)

    answer = offer(open_door, b"/live/socket", *WEBSOCKET, member)

    assert answer.status == 101
    [head] = switching.heads
    assert head.lower().count(b"\r\nupgrade: websocket\r\n") == 1
    assert head.lower().count(b"\r\nconnection: upgrade\r\n") == 1
    assert offer(open_door, b"/live/socket", *WEBSOCKET).status == 401


@pytest.mark.parametrize(
    ("method", "target"),
    [(b"CONNECT", b"localhost:443"), (b"CONNECT", b"/public/film"), (b"TRACE", b"/public/film")],
)
def test_no_method_makes_a_tunnel_or_a_mirror(
    open_door: Proxy, switching: SwitchingWebsite, method: bytes, target: bytes
) -> None:
    """CONNECT asks for a tunnel, TRACE would show the headers that the proxy added, cookies and passport."""
    switching.forget()

    assert offer(open_door, target, method=method).status in (400, 405)
    assert switching.heads == []


def test_trailers_of_a_client_never_reach_the_website(open_door: Proxy, switching: SwitchingWebsite) -> None:
    """Servers that add trailers to the headers (uvicorn's httptools) would take a client's for the proxy's."""
    switching.forget()
    chunked = b"3\r\nabc\r\n0\r\nX-Latch-Account: root@victim\r\nX-Latch-Level: fresh\r\n\r\n"
    lines = (b"Transfer-Encoding: chunked", b"TE: trailers", b"Trailer: X-Latch-Account, X-Latch-Level")

    answer = offer(open_door, b"/public/film", *lines, b"Connection: close, TE, Trailer", method=b"POST", body=chunked)

    assert answer.status in (200, 400, 411)
    assert b"root@victim" not in b"".join(switching.heads)


def member_of(gateway: EdgeGateway, proxy: Proxy) -> bytes:
    """The Cookie line of somebody who is signed in."""
    browser = Browser(proxy, gateway.sign_in("wanda")["set_cookie"])
    browser.close()
    return cookie_line(browser)
