"""Bodies that are too large or too slow are refused, whatever they claim to be."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from harness.asgi import ask
from latchstring_middleware.problems import MiddlewareError
from latchstring_middleware.request_limits import RequestLimits


async def length_of_body(request: Request) -> Response:
    """An ordinary Starlette endpoint."""
    return PlainTextResponse(str(len(await request.body())))


APP = RequestLimits(Starlette(routes=[Route("/", length_of_body, methods=["POST"])]), max_body_bytes=100, max_seconds=5)


async def chunked(size: int) -> AsyncIterator[bytes]:
    """A body without Content-Length, in pieces of ten bytes."""
    for _ in range(size // 10):
        yield b"x" * 10


@pytest.mark.parametrize(("size", "status"), [(0, 200), (10, 200), (100, 200), (101, 413), (110, 413), (100_000, 413)])
async def test_a_body_over_the_limit_is_refused(size: int, status: int) -> None:
    """With its length declared or in chunks; the limit itself is allowed."""
    transport = httpx.ASGITransport(APP, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://a.example") as client:
        declared = await client.post("/", content=b"x" * size)
        streamed = await client.post("/", content=chunked(size + 9 if size > 100 else size))

    assert (declared.status_code, streamed.status_code) == (status, status)
    if status == 413:
        assert declared.json()["code"] == streamed.json()["code"] == "body_too_large"
        assert declared.headers["connection"] == "close"
    else:
        assert declared.text == streamed.text == str(size)


@pytest.mark.parametrize("length", [b"101", b"0000101", b"9" * 5_000, b"18446744073709551616"])
async def test_a_declared_length_over_the_limit_is_refused_before_the_app_runs(length: bytes) -> None:
    """Nothing of such a body is read."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("the app was called")

    limits = RequestLimits(app, max_body_bytes=100, max_seconds=5)

    assert (await ask(limits, headers=[(b"content-length", length)])).status == 413


@pytest.mark.parametrize("length", [b"1", b"0", b"-1", b"abc", b"+5", b"", "٣".encode()])
async def test_a_false_length_does_not_let_a_long_body_pass(length: bytes) -> None:
    """What arrives is counted, whatever was declared."""
    headers = [(b"content-length", length)]

    assert (await ask(APP, method="POST", headers=headers, chunks=[b"x" * 60, b"x" * 41])).status == 413
    assert (await ask(APP, method="POST", headers=headers, chunks=[b"x" * 60, b"x" * 40])).status == 200


async def read_all(receive: Receive) -> None:
    """Read a body to its end."""
    while (await receive()).get("more_body"):
        pass


async def answer(send: Send, status: int) -> None:
    """A whole answer without a body."""
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_an_app_that_hides_the_error_does_not_hide_the_refusal() -> None:
    """A framework that turns every exception into a 500 still answers 413."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await read_all(receive)
        except MiddlewareError:
            await answer(send, 500)

    answered = await ask(RequestLimits(app, max_body_bytes=1, max_seconds=5), chunks=[b"xx"])

    assert (answered.status, json.loads(answered.body)["code"]) == (413, "body_too_large")


async def test_reading_on_after_the_limit_gives_the_same_error() -> None:
    """A loop that swallows errors does not get at the rest."""

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        for _ in range(3):
            with pytest.raises(MiddlewareError):
                await receive()

    assert (await ask(RequestLimits(app, max_body_bytes=1, max_seconds=5), chunks=[b"xx", b"y"])).status == 413


async def test_a_limit_hit_in_the_middle_of_an_answer_cuts_it_off() -> None:
    """A half answer must not look whole, so the error goes on to the server."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await read_all(receive)

    with pytest.raises(MiddlewareError):
        await ask(RequestLimits(app, max_body_bytes=1, max_seconds=5), chunks=[b"xx"])


async def test_the_apps_own_errors_are_its_own() -> None:
    """Only our refusal is answered here."""

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        await read_all(receive)
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError):
        await ask(RequestLimits(app, max_body_bytes=1, max_seconds=5))


async def drip(app: RequestLimits, first: list[Message]) -> list[Message]:
    """Drive the app with a client that sends `first` and then nothing, for ever."""
    sent: list[Message] = []

    async def receive() -> Message:
        if first:
            return first.pop(0)
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
    return sent


@pytest.mark.parametrize("first", [[], [{"type": "http.request", "body": b"x", "more_body": True}]])
async def test_a_body_that_does_not_come_is_refused(first: list[Message]) -> None:
    """408 once the time is over, whether nothing came or a part."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await read_all(receive)
        await answer(send, 200)

    sent = await drip(RequestLimits(app, max_body_bytes=100, max_seconds=0.02), first)

    assert [message.get("status") for message in sent] == [408, None]
    assert json.loads(sent[1]["body"])["code"] == "body_too_slow"
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_waiting_for_the_client_to_leave_has_no_limit() -> None:
    """Once the body is there, an app may listen for the disconnect as long as it answers."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await read_all(receive)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.1)
        await answer(send, 200)

    whole: list[Message] = [{"type": "http.request", "body": b"x", "more_body": False}]
    sent = await drip(RequestLimits(app, max_body_bytes=100, max_seconds=0.02), whole)

    assert sent[0]["status"] == 200


async def test_a_client_that_leaves_is_the_apps_to_notice() -> None:
    """A disconnect is passed on and is no refusal."""
    seen: list[str] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        seen.append((await receive())["type"])

    await drip(RequestLimits(app, max_body_bytes=1, max_seconds=5), [{"type": "http.disconnect"}])

    assert seen == ["http.disconnect"]


async def test_other_scopes_pass() -> None:
    """WebSockets have limits of their own."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    limits = RequestLimits(app, max_body_bytes=1, max_seconds=1)

    assert (await ask(limits, type="websocket")).messages == [{"type": "websocket.accept"}]


@pytest.mark.parametrize(("max_body_bytes", "max_seconds"), [(-1, 1), (1, 0), (1, -1)])
def test_limits_that_make_no_sense_are_refused(max_body_bytes: int, max_seconds: float) -> None:
    """At start, not at the first request."""
    with pytest.raises(ValueError):
        RequestLimits(length_of_body, max_body_bytes=max_body_bytes, max_seconds=max_seconds)  # type: ignore[arg-type]
