"""The gate before an app of this process."""

import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from harness.asgi import Answered, ask
from harness.worker_app import NAVIGATION, RUN, SESSION, Jar, Worker, set_cookies
from latchstring_gateway import wiring
from latchstring_gateway.sessions.requirement import Requirement

#: Ways to write a header that some app may read as X-Latch-…, as an ASGI server passes them on.
_SPELLINGS = (b"x-latch-%s", b"x_latch_%s", b"x-latch_%s", b"x.latch.%s", b"X-Latch-%s", b"X_LATCH_%s", b"x-latch.%s")


async def _website(scope: Scope, receive: Receive, send: Send) -> None:
    # An app that says everything a cache may believe.
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        return
    visitor = scope["latch"]
    headers = [
        (b"Cache-Control", b"public, max-age=600"),
        (b"expires", b"Thu, 01 Jan 2030 00:00:00 GMT"),
        (b"cdn-cache-control", b"max-age=600"),
        (b"Cloudflare-CDN-Cache-Control", b"max-age=600"),
        (b"surrogate-control", b"max-age=600"),
        (b"x-accel-expires", b"600"),
        (b"etag", b'"1"'),
        (b"x-level", visitor.level.encode() if visitor else b"nobody"),
    ]
    status = int(scope["path"][1:4]) if scope["path"][1:4].isdigit() else 200
    if scope["path"] == "/sign-in-here":
        headers.append((b"set-cookie", b"__Host-session=new; Path=/"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": visitor.account.encode() if visitor else b"nobody"})


async def _ask(worker: Worker, jar: Jar | None, path: str = "/200", **headers: str) -> Answered:
    gate = wiring.gate(worker.rooms, _website, is_public=lambda path: path == "/203")
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if jar is not None:
        sent.append((b"cookie", jar.header().encode()))
    return await ask(gate, path=path, query_string=b"", headers=sent)


async def test_a_route_may_ask_for_more(worker: Worker) -> None:
    """`requires` says what, by path: not met, a fetch gets 401, and on a public path it is nobody who comes in."""
    jar = await worker.signed_in()
    del jar[RUN]
    gate = wiring.gate(
        worker.rooms,
        _website,
        is_public=lambda path: path == "/203",
        requires=lambda path: Requirement(fresh=path in ("/pay", "/203"), max_auth_age_seconds=300),
    )
    sent = [(b"cookie", jar.header().encode())]

    page, pay, public = [await ask(gate, path=path, query_string=b"", headers=sent) for path in ("/", "/pay", "/203")]

    assert (page.status, page.body) == (200, b"ada")
    assert (pay.status, json.loads(pay.body)["code"]) == (401, "fresh_required")
    assert (public.status, public.body) == (203, b"nobody")


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_an_answer_that_gets_our_cookie_is_stored_by_no_cache(worker: Worker, status: int) -> None:
    """Whatever the app says to caches is taken off, also on errors; the rest of it stays."""
    answer = await _ask(worker, worker.run_out(await worker.signed_in()), f"/{status}")

    names = [name.lower() for name, _ in answer.headers]
    assert answer.status == status
    assert answer.header(b"cache-control") == b"private, no-store"
    assert (answer.header(b"set-cookie") or b"").startswith(b"__Host-session=v1.")
    assert answer.header(b"etag") == b'"1"'
    assert not {b"expires", b"surrogate-control", b"x-accel-expires"} & set(names)
    assert not [name for name in names if name.endswith(b"cdn-cache-control")]


async def test_an_answer_without_our_cookie_is_the_apps_own(worker: Worker) -> None:
    """A lease that runs on changes nothing."""
    answer = await _ask(worker, await worker.signed_in())

    assert (answer.status, answer.body) == (200, b"ada")
    assert answer.header(b"cache-control") == b"public, max-age=600"
    assert answer.header(b"set-cookie") is None


async def test_the_cookie_of_a_sign_in_in_the_app_is_not_overwritten_by_the_former_ones(worker: Worker) -> None:
    """The app's answer sets a new session: our renewal of the old one stays away."""
    answer = await _ask(worker, worker.run_out(await worker.signed_in()), "/sign-in-here")

    assert answer.header(b"set-cookie") == b"__Host-session=new; Path=/"
    assert answer.header(b"cache-control") == b"private, no-store"


async def test_nobody_is_sent_to_sign_in_or_refused_but_for_what_is_public(worker: Worker) -> None:
    """A navigation goes to the sign-in page, a fetch gets 401, a public path sees nobody."""
    navigation = await _ask(worker, None, **NAVIGATION)
    fetch = await _ask(worker, None)
    public = await _ask(worker, Jar({SESSION: "junk"}), "/203")

    assert (navigation.status, (navigation.header(b"location") or b"")[:19]) == (303, b"/sign-in?return=v1.")
    assert fetch.status == 401
    assert (public.status, public.body) == (203, b"nobody")


async def test_the_client_says_nothing_about_who_he_is(worker: Worker) -> None:
    """Forwarded and identity headers of a direct request are only that: his words."""
    answer = await _ask(worker, None, x_latch_account="ada", x_forwarded_uri="/203", x_forwarded_method="GET")

    assert answer.status == 401


async def test_a_websocket_of_nobody_is_closed_before_it_opens(worker: Worker) -> None:
    """And one of somebody signed in reaches the app."""
    jar = await worker.signed_in()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    gate = wiring.gate(worker.rooms, _website)
    for cookie in (b"", jar.header().encode()):
        scope: dict[str, Any] = {
            "type": "websocket",
            "path": "/ws",
            "query_string": b"",
            "headers": [(b"cookie", cookie)],
        }
        await gate({**scope, "client": ("192.0.2.1", 1), "server": ("192.0.2.2", 80)}, receive, send)

    assert [message["type"] for message in sent] == ["websocket.close", "websocket.accept"]
    assert sent[0]["code"] == 1008


async def test_a_renewed_cookie_through_the_edge_itself_is_private(worker: Worker) -> None:
    """Our own devices page hands the renewed cookie back under the same rule."""
    jar = worker.run_out(await worker.signed_in())

    answer = await worker.client.get("/latch/devices", headers={**NAVIGATION, "cookie": jar.header()})

    assert answer.status_code == 200
    assert len(set_cookies(answer)) == 1
    assert answer.headers["cache-control"] == "private, no-store"


class _Seen:
    """An app that keeps the headers of each scope it is called with."""

    def __init__(self) -> None:
        self.headers: list[list[tuple[bytes, bytes]]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.headers.append(scope["headers"])
        await _website(scope, receive, send)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "nobody"])
async def test_no_identity_header_of_a_client_reaches_the_app(worker: Worker, kind: str, signed_in: bool) -> None:
    """An app that also runs behind the proxy reads X-Latch-Account: the gate handed a client's own through to it."""
    seen = _Seen()
    gate = wiring.gate(worker.rooms, seen, is_public=lambda _path: True)
    forged = [(spelling % b"account", b"root@victim") for spelling in _SPELLINGS] * 2
    cookie = [(b"cookie", (await worker.signed_in()).header().encode())] if signed_in else []
    sent = [(b"x-other", b"kept"), *forged, *cookie]

    await ask(gate, type=kind, path="/200", query_string=b"", headers=sent)

    assert seen.headers == [[(b"x-other", b"kept"), *cookie]]
    assert len(sent) == 1 + len(forged) + len(cookie), "the server's own scope stays as it came"


async def test_no_spelling_of_a_path_escapes_what_its_route_asks(worker: Worker) -> None:
    """`/pay;x` was asked no password again, though an app may cut ";x" off; a rule by prefix, by pattern or exact."""
    jar = await worker.signed_in()
    del jar[RUN]
    sent = [(b"cookie", jar.header().encode())]
    rules = (
        lambda path: Requirement(fresh=path in ("/pay", "/account/pay"), max_auth_age_seconds=300),
        lambda path: Requirement(fresh=path.startswith(("/pay/", "/account/pay")) or path == "/pay"),
    )
    spelled = (
        "/pay;x",
        "/Pay",
        "/pay ",
        "/pay.",
        "/pay.json",
        "//pay",
        "/;/pay",
        "/./pay",
        "/x/../pay",
        "/pay\\",
        "/%70ay",
    )
    below_another = (
        "/account;x/pay",
        "/account/pay;x",
        "/account /pay\t",
        "/account//pay",
        "/pay\x00.css",
        "/PAY.json;x",
    )

    for requires in rules:
        gate = wiring.gate(worker.rooms, _website, requires=requires)
        for path in (*spelled, *below_another):
            answer = await ask(gate, path=path, query_string=b"", headers=sent)
            assert (answer.status, json.loads(answer.body or b"{}").get("code")) == (401, "fresh_required"), path
        for path in ("/payments", "/pay-slips", "/films;x", "/films/a b.json"):
            assert (await ask(gate, path=path, query_string=b"", headers=sent)).status == 200, path


@pytest.mark.parametrize(
    "path",
    ["/public/../private", "/public/..;/private", "/public/..\\private", "/public/%2e%2e/private", "/private;x.css"],
)
async def test_no_spelling_of_a_path_makes_it_public(worker: Worker, path: str) -> None:
    """By its folder, or by what its name ends in."""
    gate = wiring.gate(
        worker.rooms, _website, is_public=lambda path: path.startswith("/public/") or path.endswith(".css")
    )

    assert (await ask(gate, path=path, query_string=b"", headers=[])).status == 401


@pytest.mark.parametrize("path", ["/public/a b;c.d", "/public/.x", "/style.css", "/public/a..b", "/public/;x/film"])
async def test_a_public_path_with_odd_signs_stays_public(worker: Worker, path: str) -> None:
    """Blanks, semicolons and dots are nobody's business there."""
    gate = wiring.gate(
        worker.rooms, _website, is_public=lambda path: path.startswith("/public/") or path.endswith(".css")
    )

    assert (await ask(gate, path=path, query_string=b"", headers=[])).status == 200
