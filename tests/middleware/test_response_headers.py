"""Security headers on every answer, none in the way of what an app said itself."""

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from harness.asgi import Answered, ask
from latchstring_middleware.response_headers import STRICT_CSP, ResponseHeaders


def answering(*headers: tuple[bytes, bytes]) -> ASGIApp:
    """An app that answers with these headers."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": iter(headers)})
        await send({"type": "http.response.body", "body": b"ok"})

    return app


HTML = (b"content-type", b"text/html; charset=utf-8")


def policies(answered: Answered) -> dict[bytes, bytes]:
    """The headers, each of which came once."""
    assert len({name.lower() for name, _ in answered.headers}) == len(answered.headers)
    return dict(answered.headers)


async def test_a_page_gets_every_policy() -> None:
    """Strict by default, and not kept by any cache."""
    answered = await ask(ResponseHeaders(answering(HTML)))

    assert policies(answered) == {
        HTML[0]: HTML[1],
        b"strict-transport-security": b"max-age=31536000",
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"same-origin",
        b"content-security-policy": STRICT_CSP.encode(),
        b"cross-origin-opener-policy": b"same-origin",
        b"cache-control": b"no-store",
    }
    assert answered.body == b"ok"


@pytest.mark.parametrize("content_type", [b"TEXT/HTML", b"application/xhtml+xml"])
async def test_html_is_known_in_any_spelling(content_type: bytes) -> None:
    """XHTML runs scripts too."""
    answered = await ask(ResponseHeaders(answering((b"Content-Type", content_type))))

    assert answered.header(b"content-security-policy") is not None


async def test_what_is_no_page_gets_no_page_policy() -> None:
    """JSON needs no CSP, but must not be sniffed."""
    answered = await ask(ResponseHeaders(answering((b"content-type", b"application/json"))))

    assert answered.header(b"content-security-policy") is None
    assert answered.header(b"x-content-type-options") == b"nosniff"


async def test_what_the_app_set_stays() -> None:
    """In whatever case it wrote the name, and only once."""
    own = [(b"Content-Security-Policy", b"default-src *"), (b"cache-control", b"max-age=9"), (b"Referrer-Policy", b"x")]

    answered = await ask(ResponseHeaders(answering(HTML, *own)))

    assert [answered.header(name.lower()) for name, _ in own] == [value for _, value in own]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/static/a.css", None),
        ("/static/", None),
        ("/static", b"no-store"),
        ("/statics/a", b"no-store"),
        ("/a/static/", b"no-store"),
    ],
)
async def test_static_files_may_be_cached(path: str, expected: bytes | None) -> None:
    """Only below the static prefix nothing is said about caching."""
    app = ResponseHeaders(answering(), static_prefixes=["/static/"])

    assert (await ask(app, path=path)).header(b"cache-control") == expected


async def test_policies_can_be_changed_and_left_out() -> None:
    """None leaves a policy out; HSTS may speak for the hosts below."""
    app = ResponseHeaders(
        answering(HTML),
        content_security_policy="default-src 'self'",
        referrer_policy=None,
        opener_policy=None,
        hsts_seconds=60,
        hsts_subdomains=True,
    )

    answered = await ask(app)

    assert policies(answered) == {
        HTML[0]: HTML[1],
        b"strict-transport-security": b"max-age=60; includeSubDomains",
        b"x-content-type-options": b"nosniff",
        b"content-security-policy": b"default-src 'self'",
        b"cache-control": b"no-store",
    }


async def test_a_page_asks_for_client_hints_if_told_to() -> None:
    """A document only: browsers heed the header on nothing else."""
    page = await ask(ResponseHeaders(answering(HTML), accept_client_hints="Sec-CH-UA-Model"))
    script = await ask(ResponseHeaders(answering(), accept_client_hints="Sec-CH-UA-Model"))

    assert page.header(b"accept-ch") == b"Sec-CH-UA-Model"
    assert script.header(b"accept-ch") is None


async def test_hsts_can_be_off() -> None:
    """For a host that is still on plain HTTP."""
    answered = await ask(ResponseHeaders(answering(), hsts_seconds=0))

    assert answered.header(b"strict-transport-security") is None


async def test_an_answer_without_headers_gets_them() -> None:
    """The member may be missing from the message."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204})

    assert (await ask(ResponseHeaders(app))).header(b"x-content-type-options") == b"nosniff"


async def test_other_scopes_pass() -> None:
    """A WebSocket is not an answer."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    assert (await ask(ResponseHeaders(app), type="websocket")).messages == [{"type": "websocket.accept"}]


@pytest.mark.parametrize("prefix", ["", "/static", "static/"])
def test_a_static_prefix_that_says_too_much_is_refused(prefix: str) -> None:
    """The prefix "/static" would also mean "/statics-of-users"."""
    with pytest.raises(ValueError):
        ResponseHeaders(answering(), static_prefixes=[prefix])


@pytest.mark.parametrize("policy", ["default-src 'none'\r\nset-cookie: a=b", "défaut"])
def test_a_policy_that_is_no_header_value_is_refused(policy: str) -> None:
    """A line break in a setting would become a header of its own."""
    with pytest.raises(ValueError):
        ResponseHeaders(answering(), content_security_policy=policy)
