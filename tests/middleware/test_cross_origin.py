"""Forged requests of other websites are refused; people's own are not."""

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from harness.asgi import ask
from latchstring_middleware.cross_origin import CrossOriginProtection, refuses

TRUSTED = frozenset({b"https://login.example"})

SITE, MISMATCH, UNKNOWN, AMBIGUOUS = (
    "cross_origin_site",
    "cross_origin_mismatch",
    "cross_origin_unknown",
    "cross_origin_ambiguous",
)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "QUERY", "get", ""])
@pytest.mark.parametrize(
    ("site", "origin", "expected"),
    [
        # Sec-Fetch-Site decides where a browser sends it.
        (b"same-origin", None, None),
        (b"same-origin", b"https://shop.example", None),
        (b"none", None, None),
        (b"same-site", b"https://user-pages.shop.example", SITE),
        (b"same-site", None, SITE),
        (b"cross-site", b"https://evil.example", SITE),
        (b"cross-site", b"https://shop.example", SITE),
        (b"cross-site", None, SITE),
        (b"cross-site", b"null", SITE),
        (b"", None, SITE),
        (b"SAME-ORIGIN", None, SITE),
        (b"same-origin, cross-site", None, SITE),
        # Else the origin must be this host.
        (None, b"https://shop.example", None),
        (None, b"http://shop.example", None),
        (None, b"HTTPS://Shop.Example", None),
        (None, b"https://evil.example", MISMATCH),
        (None, b"https://shop.example.evil.example", MISMATCH),
        (None, b"https://evilshop.example", MISMATCH),
        (None, b"https://shop.example:8443", MISMATCH),
        (None, b"https://shop.example/", MISMATCH),
        (None, b"https://x@shop.example", MISMATCH),
        (None, b"ftp://shop.example", MISMATCH),
        (None, b"shop.example", MISMATCH),
        (None, b"://shop.example", MISMATCH),
        (None, b"https://", MISMATCH),
        (None, b"null", MISMATCH),
        (None, b"", MISMATCH),
        # Origins the operator trusts.
        (b"cross-site", b"https://login.example", None),
        (None, b"https://login.example", None),
        (None, b"http://login.example", MISMATCH),
        # A request that says nothing.
        (None, None, UNKNOWN),
    ],
)
def test_an_unsafe_request_needs_a_good_reason(
    method: str, site: bytes | None, origin: bytes | None, expected: str | None
) -> None:
    """Only the same origin, the person at the keyboard, or a trusted origin may cause a change."""
    headers = [(b"host", b"shop.example")]
    headers += [(b"sec-fetch-site", site)] if site is not None else []
    headers += [(b"origin", origin)] if origin is not None else []

    assert refuses(method, headers, trusted_origins=TRUSTED) == expected


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_pass(method: str) -> None:
    """Following a link from elsewhere is no forgery."""
    headers = [(b"host", b"shop.example"), (b"sec-fetch-site", b"cross-site"), (b"origin", b"https://evil.example")]

    assert refuses(method, headers) is None


@pytest.mark.parametrize("name", [b"origin", b"host", b"sec-fetch-site"])
def test_a_deciding_header_sent_twice_is_refused(name: bytes) -> None:
    """One of the two was smuggled in."""
    headers = [(b"host", b"shop.example"), (b"origin", b"https://shop.example"), (b"sec-fetch-site", b"same-origin")]

    assert refuses("POST", headers) is None
    assert refuses("POST", [*headers, *[header for header in headers if header[0] == name]]) == AMBIGUOUS


def test_an_origin_without_any_host_is_refused() -> None:
    """Nothing equals nothing only by mistake."""
    assert refuses("POST", [(b"origin", b"https://")]) == MISMATCH
    assert refuses("POST", [(b"origin", b"https://shop.example")]) == MISMATCH


def test_clients_that_are_no_browsers_pass_only_if_allowed() -> None:
    """An API with tokens may let silent clients in; that opens nothing to browsers, which are not silent."""
    assert refuses("POST", [(b"host", b"a")], allow_non_browser=True) is None
    assert refuses("POST", [(b"host", b"a"), (b"origin", b"https://b")], allow_non_browser=True) == MISMATCH
    assert refuses("POST", [(b"sec-fetch-site", b"cross-site")], allow_non_browser=True) == SITE


async def ok(scope: Scope, _receive: Receive, send: Send) -> None:
    """An app that agrees to everything."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_a_forgery_is_answered_with_a_problem() -> None:
    """403 problem+json with the reason as its code; the app is not reached."""
    app = CrossOriginProtection(ok)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example") as client:
        forged = await client.post("/", headers={"sec-fetch-site": "cross-site"})
        sound = await client.post("/", headers={"sec-fetch-site": "same-origin"})

    assert (forged.status_code, forged.json()["code"]) == (403, "cross_origin_site")
    assert forged.headers["content-type"] == "application/problem+json"
    assert sound.status_code == 204


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/hooks/in", 204),
        ("/hooks/in/", 403),
        ("/hooks", 403),
        ("/hooks/inn", 403),
        ("/HOOKS/IN", 403),
        ("//hooks/in", 403),
    ],
)
async def test_exemptions_are_exact(path: str, status: int) -> None:
    """A path next to an exempt one is protected."""
    app = CrossOriginProtection(ok, exempt_paths=["/hooks/in"])

    answered = await ask(app, method="POST", path=path, headers=[(b"sec-fetch-site", b"cross-site")])

    assert answered.status == status


@pytest.mark.parametrize(
    ("origin", "expected"),
    [(b"https://shop.example", "websocket.accept"), (b"https://evil.example", "websocket.close")],
)
async def test_another_site_cannot_open_a_websocket(origin: bytes, expected: str) -> None:
    """The handshake is a GET with cookies, so it is judged like a change."""
    headers = [(b"host", b"shop.example"), (b"origin", origin)]

    answered = await ask(CrossOriginProtection(ok), type="websocket", headers=headers)

    assert [message["type"] for message in answered.messages] == [expected]


async def test_trusted_origins_may_call() -> None:
    """A sign-in host of the same owner, say."""
    app = CrossOriginProtection(ok, trusted_origins=["https://login.example"])

    answered = await ask(app, method="POST", headers=[(b"origin", b"https://login.example")])

    assert answered.status == 204


async def test_start_up_is_not_a_request() -> None:
    """Other scopes pass."""
    answered = await ask(CrossOriginProtection(ok), type="lifespan")

    assert answered.status == 204


def test_entries_that_can_never_match_are_refused_at_start() -> None:
    """All of them in one message."""
    origins = ["login.example", "https://a.example/", "https://A.example", "https://*.a.example", "null"]
    paths = ["hooks", "/hooks/*", "/a?b"]

    with pytest.raises(ValueError) as caught:
        CrossOriginProtection(ok, trusted_origins=[*origins, "https://a.example:8443"], exempt_paths=[*paths, "/ok"])

    assert [item for item in origins + paths if repr(item) not in str(caught.value)] == []
    assert "8443" not in str(caught.value)
    assert "'/ok'" not in str(caught.value)
