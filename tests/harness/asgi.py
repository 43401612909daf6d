"""Driving an ASGI app with messages, without a server."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.types import ASGIApp, Message

Headers: TypeAlias = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answered:
    """What an app answered: the headers in order, the body joined, and every message as sent."""

    status: int
    headers: Headers
    body: bytes
    messages: list[Message]

    def header(self, name: bytes) -> bytes | None:
        """The value of the only header called `name`."""
        values = [value for key, value in self.headers if key.lower() == name]
        assert len(values) <= 1, f"{name!r} sent {len(values)} times"
        return values[0] if values else None


async def ask(app: ASGIApp, *, chunks: Iterable[bytes] = (b"",), **scope: Any) -> Answered:
    """Send one request, its body in `chunks`, to an app; `scope` members replace the defaults."""
    bodies = list(chunks)
    incoming: list[Message] = [
        {"type": "http.request", "body": body, "more_body": number < len(bodies)}
        for number, body in enumerate(bodies, start=1)
    ]
    return await _drive(app, incoming, scope)


async def hang_up(app: ASGIApp, **scope: Any) -> Answered:
    """Send the beginning of a body and no more; status 0 if the app answers nothing."""
    return await _drive(app, [{"type": "http.request", "body": b"{", "more_body": True}], scope)


async def _drive(app: ASGIApp, incoming: list[Message], scope: dict[str, Any]) -> Answered:
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    defaults = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": ("192.0.2.10", 1234)}
    await app({**defaults, **scope}, receive, send)
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert len(starts) <= 1
    return Answered(
        starts[0]["status"] if starts else 0,
        list(starts[0]["headers"]) if starts else [],
        b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body"),
        sent,
    )
