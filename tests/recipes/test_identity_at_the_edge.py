"""Who the website hears it is: from the gateway through the proxy, and never from the client."""

from collections.abc import Callable

import pytest

from harness.edge_browser import SPELLINGS, Answer, Browser, cookie_line, raw, request
from harness.edge_gateway import EchoWebsite, EdgeGateway
from harness.proxies import Certificate, Proxy, start_caddy

pytestmark = pytest.mark.edge

Browsers = Callable[..., Browser]
NAMES = ("Account", "Session", "Device", "Auth-Time", "Level", "Passport", "Country")
SPOOFS = {
    "host": [b"X-Forwarded-Host: evil.example"],
    "two hosts": [b"X-Forwarded-Host: a.example", b"X-Forwarded-Host: b.example"],
    "junk host": [b"X-Forwarded-Host: portal.x@evil.domain"],
    "scheme": [b"X-Forwarded-Proto: http"],
    "junk scheme": [b"X-Forwarded-Proto: evil_protocol"],
    "underscored scheme": [b"X_Forwarded_Proto: http"],
    "port": [b"X-Forwarded-Port: 443"],
    "prefix": [b"X-Forwarded-Prefix: /public"],
    "target": [b"X-Forwarded-Uri: /public/"],
    "dotted target": [b"X.Forwarded.Uri: /public/"],
    "original url": [b"X-Original-URL: /public/", b"X-Rewrite-URL: /public/", b"X-Original-URI: /public/"],
    "hosts": [b"X-Host: evil.example", b"X-Original-Host: evil.example", b"X-Forwarded-Server: evil.example"],
    "schemes": [b"X-Forwarded-Scheme: http", b"X-Forwarded-Ssl: off", b"X-Forwarded-Path: /admin", b"X-Forwarded: x"],
    "client addresses": [b"Client-IP: 127.0.0.1", b"True-Client-IP: 127.0.0.1", b"X-Cluster-Client-IP: 127.0.0.1"],
    "proxy of a script": [b"Proxy: http://evil.example", b"X-Client-IP: 127.0.0.1", b"X-Original-Method: GET"],
    "method": [b"X-Forwarded-Method: OPTIONS"],
    "forwarded": [b"Forwarded: for=127.0.0.1;proto=https;host=admin"],
    "junk address": [b"X-Forwarded-For: a"],
    "addresses": [b"X-Forwarded-For: 1.2.3.4, 10.0.0.1", b"X-Forwarded-For: [::1]:1, ::ffff:127.0.0.1"],
    "real address": [b"X-Real-IP: 127.0.0.1"],
    "health check": [b"User-Agent: GoogleHC/1.0"],
    "hop by hop": [b"Connection: close, X-Forwarded-Uri, X-Forwarded-Host"],
    "length": [b"X-Latch-Content-Length: 1"],
    "manner": [b"X-Latch-Require: optional"],
}
#: What the website may be told of a request in X-Forwarded-*.
TOLD_OF_THE_REQUEST = {f"x-forwarded-{name}" for name in ("for", "host", "proto", "method", "uri")}
#: What some websites read before the request line, Host or the peer's address.
READ_INSTEAD = {
    line.partition(b":")[0].decode().lower() for lines in SPOOFS.values() for line in lines if b"orwarded" not in line
} - {"user-agent", "connection", "x-latch-content-length", "x-latch-require"}


def test_the_website_hears_who_is_signed_in(edge: Proxy, gateway: EdgeGateway, browser: Browsers) -> None:
    """Every identity header reaches the website, with the passport, on every kind of checked route."""
    started = gateway.sign_in("alice@example.com")
    alice = browser(started["set_cookie"])

    for target in ("/", "/public/film", "/account/payment", "/notifications", "/sign-in", "/upload/film"):
        received = alice.ask(target).received()

        assert sorted(received) == sorted(f"x-latch-{name.lower()}" for name in NAMES)
        assert received["x-latch-account"] == "alice@example.com"
        assert received["x-latch-device"] == started["device"]["id"]
        assert received["x-latch-level"] == "fresh"
        assert received["x-latch-passport"].count(".") == 2
        assert received["x-latch-country"] == "NL"


def test_the_website_hears_the_country_of_strangers_too(edge: Proxy) -> None:
    """For what it shows in their language, before anybody signs in; by the address that the proxy saw."""
    answer = request(edge, b"/public/film", b"X-Forwarded-For: 203.0.113.7", b"X-Latch-Country: SE")

    assert answer.status == 200
    assert {name: value for name, value in answer.received().items() if value} == {"x-latch-country": "NL"}


@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "stranger"])
def test_identity_of_a_client_never_reaches_the_website(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers, signed_in: bool
) -> None:
    """Identity headers sent by a client are gone in every spelling, also doubled, for members and strangers alike."""
    sent = [cookie_line(browser(gateway.sign_in("bob")["set_cookie"]))] if signed_in else []

    for spelling in SPELLINGS:
        forged = [spelling % name.encode() + b": evil-admin" for name in NAMES]
        answer = request(edge, b"/public/film", *sent, *forged, *forged)

        assert answer.status == 200, spelling
        received = answer.received()
        assert "evil" not in str(received), spelling
        assert received.get("x-latch-account", "") == ("bob" if signed_in else ""), spelling


def test_a_client_cannot_have_the_identity_dropped_on_the_way(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers
) -> None:
    """Naming identity headers or the cookie in Connection takes neither from the request."""
    sent = cookie_line(browser(gateway.sign_in("carol")["set_cookie"]))

    answer = request(edge, b"/", sent, b"Connection: X-Latch-Account, X-Latch-Level, Cookie, X-Forwarded-Uri")

    assert answer.status == 200
    assert answer.received()["x-latch-account"] == "carol"
    assert answer.received()["x-latch-level"] == "fresh"


@pytest.mark.parametrize("case", sorted(SPOOFS))
def test_what_a_client_says_of_its_request_changes_nothing(edge: Proxy, gateway: EdgeGateway, case: str) -> None:
    """Spoofed X-Forwarded-* and their kin let nobody in, and the sign-in redirect is as without them."""
    fetch = request(edge, b"/secret?x=1", *SPOOFS[case])
    page = request(edge, b"/secret?x=1", *SPOOFS[case], b"Accept: text/html")

    assert (fetch.status, fetch.json()["code"]) == (401, "not_signed_in")
    assert page.status == 303
    assert page.one("location").startswith("/sign-in?return=v1.")
    assert target_after_sign_in(gateway, page.one("location")) == "/secret?x=1"


@pytest.mark.parametrize("case", sorted(SPOOFS))
def test_the_website_is_told_of_the_request_by_the_proxy_alone(edge: Proxy, case: str) -> None:
    """Scheme, host and address of the client that reach the website are the proxy's own."""
    answer = request(edge, b"/public/film", *SPOOFS[case])

    assert answer.status == 200
    received = answer.received("x-forwarded-")
    assert received["x-forwarded-proto"] == "https"
    assert received["x-forwarded-host"].partition(":")[0] == "localhost"
    assert received["x-forwarded-for"] == "127.0.0.1"
    assert received.get("x-forwarded-uri", "/public/film") == "/public/film"
    assert set(received) <= TOLD_OF_THE_REQUEST
    assert not answer.received("forwarded")
    assert not {name.lower() for name, _ in answer.json()["headers"]} & READ_INSTEAD


def test_the_website_hears_its_host_with_the_port_that_the_browser_used(edge: Proxy) -> None:
    """On port 8443 nginx's `$host` made every absolute link of the website lead to port 443."""
    host = f"localhost:{edge.port}"

    answers = [request(edge, b"/public/film"), raw_with_host(edge, host.upper().encode())]

    for answer, sent in zip(answers, (host, host.upper()), strict=True):
        told = {name.lower(): value for name, value in answer.json()["headers"]}
        assert (told["host"], told["x-forwarded-host"]) == (sent, sent)


def test_a_request_line_that_names_another_host_than_its_header_is_not_believed_twice(edge: Proxy) -> None:
    """Which website answers is decided by the one, so the website must not make links with the other."""
    answer = raw_with_host(edge, b"evil.example", target=b"http://localhost/public/film")

    if answer.status == 200:
        told = {name.lower(): value for name, value in answer.json()["headers"]}
        assert "evil" not in told["host"] + told["x-forwarded-host"]
    else:
        assert answer.status in (400, 421)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /public/film",
        b"GET /public/film HTTP/0.9",
        b"GET /public/film HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close",
        b"GET /public/film HTTP/1.1\r\nHost: localhost, evil.example\r\nConnection: close",
        b"GET /public/film HTTP/1.1\r\nConnection: close",
        b"GET localhost/public/film HTTP/1.1\r\nHost: localhost\r\nConnection: close",
        b"GET /public/film HTTP/1.1\r\nHost: localhost\r\nX-Latch-Account : evil\r\nConnection: close",
        b"GET /public/film HTTP/1.1\r\nHost: localhost\r\n X-Latch-Account: evil\r\nConnection: close",
    ],
    ids=["no version", "0.9", "two hosts", "two hosts in one", "no host", "no slash", "space in name", "folded line"],
)
def test_a_request_that_is_malformed_reaches_no_website(edge: Proxy, head: bytes) -> None:
    """Not in HTTP/0.9, whose requests have no headers to check, and not with two hosts."""
    answer = raw(edge, head)

    assert answer.status in (0, 400, 421, 505), answer
    assert b"target" not in answer.body


def raw_with_host(edge: Proxy, host: bytes, target: bytes = b"/public/film") -> Answer:
    """A request with this Host header."""
    return raw(edge, b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close" % (target, host))


@pytest.mark.parametrize("path", ["/verify", "/verify/optional", "/v1/sessions", "/metrics", "/health/ready"])
def test_the_inner_urls_of_the_gateway_are_not_reachable(
    edge: Proxy, gateway: EdgeGateway, browser: Browsers, website: EchoWebsite, path: str
) -> None:
    """From outside, the gateway's inner addresses are just more paths of the website, with forward auth before them."""
    stranger = browser()
    member = browser(gateway.sign_in("dora")["set_cookie"])

    assert stranger.ask(path, dest="empty").status == 401
    assert member.ask(path).json()["target"] == path
    assert stranger.ask("/latch/.verify").status == 404
    assert stranger.ask("/latch/.verify-optional").status == 404
    assert stranger.ask("/latch/v1/sessions").status == 404


def target_after_sign_in(gateway: EdgeGateway, location: str) -> str:
    """Where the sealed return value of a sign-in address leads in the end."""
    sealed = location.partition("return=")[2].partition("&")[0]
    started = gateway.sign_in("erin", return_to=sealed)
    cookie = "; ".join(line.partition(";")[0] for line in started["set_cookie"])
    return gateway.client.get(started["continue_to"], headers={"cookie": cookie}).headers["location"]


def test_a_caddy_that_lets_underscores_through_lets_none_of_ours_through(
    certificate: Certificate, gateway: EdgeGateway, website: EchoWebsite
) -> None:
    """Caddy drops names with underscores by itself; the recipe holds also where it was told to expect them."""
    expecting = ("\tservers {\n", "\tservers {\n\t\texpected_underscore_headers X_*\n")
    caddy = start_caddy(certificate, gateway.address, website.address, expecting)

    answer = request(caddy, b"/public/film", b"X_Latch_Account: evil", b"X_Forwarded_Host: evil", b"X_Other: kept")

    assert ["x_other", "kept"] in answer.json()["headers"]
    assert "evil" not in str(answer.json())
    caddy.close()
