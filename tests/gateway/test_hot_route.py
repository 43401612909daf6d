"""The ASGI door to hot handlers."""

from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from latchstring_gateway.hot_route import Message, head_of, hot_route_app, peer_of
from latchstring_gateway.wire import Answer, Head, HotRoute, Recorded, Reply

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/b",
    "raw_path": b"/b",
    "query_string": b"",
    "headers": [(b"host", b"a")],
    "client": ("192.0.2.1", 5),
    "server": ("192.0.2.9", 80),
}


async def ask(
    messages: list[Message], *, handler_answers: bool = True, max_body_bytes: int = 4
) -> tuple[list[bytes], list[Message]]:
    """What the handler and the long way got, and what was sent."""
    got: list[bytes] = []
    sent: list[Message] = []

    def handler(head: Head) -> Answer:
        got.append(b"handler " + head.body)
        return Recorded(b"x", Reply(200)) if handler_answers else None

    async def long_way(_scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        got.append(b"long way " + body)
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    route = HotRoute(handler, max_body_bytes)
    await hot_route_app(route, lambda _payload, done: done(True), long_way)(dict(SCOPE), receive, send)
    return got, sent


def part(body: bytes, *, more: bool = False) -> Message:
    """One message of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_within_the_limit_is_the_handlers() -> None:
    """Put together from all its parts."""
    got, sent = await ask([part(b"ab", more=True), part(b"cd")])

    assert got == [b"handler abcd"]
    assert sent[0]["status"] == 200


@pytest.mark.parametrize("messages", [[part(b"abcde")], [part(b"abc", more=True), part(b"de", more=True), part(b"f")]])
async def test_a_longer_body_reaches_the_long_way_whole(messages: list[Message]) -> None:
    """From its first byte, although some of it was read already."""
    whole = b"".join(message["body"] for message in messages)

    got, _sent = await ask(messages)

    assert got == [b"long way " + whole]


async def test_what_the_handler_declines_reaches_the_long_way_whole() -> None:
    """With the body that the handler saw."""
    got, _sent = await ask([part(b"ab")], handler_answers=False)

    assert got == [b"handler ab", b"long way ab"]


async def test_a_client_that_leaves_in_the_middle_of_its_body_ends_the_request() -> None:
    """There is nobody to answer and nothing to keep; ProblemAnswers counts it, without a word in the log."""
    with pytest.raises(ClientDisconnect):
        await ask([part(b"ab", more=True), {"type": "http.disconnect"}])


@pytest.mark.parametrize(
    ("client", "server", "peer"),
    [
        (("192.0.2.1", 5), ("192.0.2.9", 80), "192.0.2.1"),
        (("::1", 5), ("::1", 80), "::1"),
        (None, ("/run/latchstring.sock", None), "unix:"),
        (None, ("192.0.2.9", 80), ""),
        (None, None, ""),
    ],
)
def test_only_a_unix_socket_is_a_unix_socket(client: Any, server: Any, peer: str) -> None:
    """A TCP client without a name is nobody, and never the trusted proxy beside us."""
    assert peer_of(client, server) == peer


def test_the_target_is_as_it_was_sent() -> None:
    """Percent-encoding and query untouched; rebuilt where a server does not hand it over."""
    with_raw = head_of({**SCOPE, "raw_path": b"/a%2fb", "path": "/a/b", "query_string": b"c=%20"})
    without = head_of({key: value for key, value in SCOPE.items() if key != "raw_path"} | {"path": "/ä"})

    assert with_raw.target == b"/a%2fb?c=%20"
    assert without.target == b"/%C3%A4"
