"""The ASGI door to a hot handler: the same function and the same bytes as the fast door, on any ASGI server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from starlette.requests import ClientDisconnect

from .wire import NOT_RECORDED, Head, HotRoute, Recorded, Reply

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

#: `Journal.append`: takes a payload and calls back once, True when it is on disk, False if it cannot be kept.
AppendRecord: TypeAlias = Callable[[bytes, Callable[[bool], object]], object]

#: The peer of a connection over a Unix socket, which has no address.
UNIX_PEER: Final = "unix:"


def peer_of(client: Iterable[Any] | None, server: tuple[str, int | None] | None) -> str:
    """The TCP peer's address, "unix:" for a Unix socket, "" where it cannot be known.

    A missing client address alone does not mean a Unix socket: it is also missing when a TCP client hung up before it
    was asked for, and that one must not pass for the trusted proxy beside us.
    """
    if client is not None:
        return str(next(iter(client)))
    return UNIX_PEER if server is not None and server[1] is None else ""


def head_of(scope: Scope, body: bytes = b"") -> Head:
    """The request head of an HTTP scope, as the fast door would have built it."""
    target: bytes = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    if query := scope["query_string"]:
        target = b"%s?%s" % (target, query)
    peer = peer_of(scope.get("client"), scope.get("server"))
    return Head(scope["method"].encode("ascii"), target, list(scope["headers"]), peer, body)


def hot_route_app(route: HotRoute, append: AppendRecord, long_way: ASGIApp) -> ASGIApp:
    """`route` as an ASGI app.

    `long_way` gets what the handler declines and bodies over `max_body_bytes`, complete and from the start. Raises
    ClientDisconnect: half a body is no hit, and there is nobody to answer.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        if route.max_body_bytes:
            body, more_body = await _read(receive, route.max_body_bytes)
            receive = _replay(body, receive, more_body=more_body)
            if len(body) > route.max_body_bytes:
                await long_way(scope, receive, send)
                return
        answer = route.handler(head_of(scope, body))
        if answer is None:
            await long_way(scope, receive, send)
        else:
            await send_reply(await settled(answer, append), send)

    return app


async def is_kept(payload: bytes, append: AppendRecord) -> bool:
    """Whether a payload is in the journal, once that is known."""
    kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def done(ok: bool) -> None:  # noqa: FBT001 - the journal's callback
        if not kept.done():
            kept.set_result(ok)

    append(payload, done)
    return await kept


async def settled(answer: Recorded | Reply, append: AppendRecord) -> Reply:
    """The reply; that of a `Recorded` once its payload is in the journal, 503 if it could not be written."""
    if isinstance(answer, Reply):
        return answer
    return answer.reply if await is_kept(answer.payload, append) else NOT_RECORDED


async def send_reply(reply: Reply, send: Send) -> None:
    """Send a whole answer."""
    await send({"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)})
    await send({"type": "http.response.body", "body": reply.body})


async def _read(receive: Receive, max_bytes: int) -> tuple[bytes, bool]:
    """The body and whether there is more; reading stops once it is longer than `max_bytes`. Raises ClientDisconnect."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more_body = message.get("more_body", False)
        if not more_body or len(body) > max_bytes:
            return body, more_body


def _replay(body: bytes, receive: Receive, *, more_body: bool) -> Receive:
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": more_body}]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again
