"""What the hot handlers leave to the long way: bodies over 64 KiB, verdicts, preflights, and other methods (405)."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..clock import Clock
from ..hot_route import AppendRecord, head_of, is_kept
from ..wire import NOT_RECORDED, Reply
from . import batch, hit
from .floods import Floods, too_many
from .payload import BATCH, FORMAT, RawHit, encode, kept_headers

#: The longest body that is kept whole, in bytes.
MAX_BODY_BYTES: Final = 1024 * 1024
#: What is kept of a longer one: enough to see who sends it, and it becomes a dead letter.
KEPT_OF_OVERSIZE_BYTES: Final = 16 * 1024

#: What will become of each event of a hit, as JSON.
Verdicts: TypeAlias = Callable[[RawHit], bytes]


def routes(clock: Clock, append: AppendRecord, verdicts: Verdicts, floods: Floods) -> list[Route]:
    """The ASGI routes behind the hot ones; `append` is the journal's."""

    async def take_long_batch(request: Request) -> Response:
        body, body_bytes = await read_body(request)
        head = head_of(request.scope)
        # A longer body than is kept whole is one dead letter.
        if seconds := floods.refuses(head, BATCH, body if len(body) == body_bytes else b""):
            return _response(too_many(batch.lines_for(batch.allowed_origin(head.headers)), seconds))
        headers = list(kept_headers(head))
        hit = RawHit(FORMAT, BATCH, clock.wall_ms(), head.peer, b"POST", head.target, headers, body, body_bytes)
        if not await is_kept(encode(hit), append):
            return _response(NOT_RECORDED)
        reply = batch.batch_reply(batch.allowed_origin(head.headers))
        # A body takes 10 ms to judge at most, for which nobody else shall wait.
        told = await asyncio.to_thread(verdicts, hit) if batch.wants_verdict(head.headers) else None
        return _response(reply) if told is None else _with_verdicts(reply, told)

    return [
        Route(batch.PATH.decode(), take_long_batch, methods=["POST"]),
        Route(batch.PATH.decode(), _preflight, methods=["OPTIONS"]),
        Route(hit.PATH.decode(), _preflight, methods=["OPTIONS"]),
    ]


async def _preflight(request: Request) -> Response:
    """The answer to a browser that asks first (Fetch, "CORS-preflight fetch")."""
    response = _response(batch.batch_reply(batch.allowed_origin(request.headers.raw)))
    response.headers["access-control-allow-headers"] = "content-type, prefer"
    response.headers["access-control-allow-methods"] = "GET, POST"
    response.headers["access-control-max-age"] = "86400"
    return response


async def read_body(request: Request) -> tuple[bytes, int]:
    """The body and its length; of one over the limit only the beginning, and how much came.

    The rest is read and let go: a sender that is cut off in the middle would send it all again.
    """
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        room = MAX_BODY_BYTES - length
        if room > 0:
            parts.append(part[:room])
        length += len(part)
    body = b"".join(parts)
    return (body if length <= MAX_BODY_BYTES else body[:KEPT_OF_OVERSIZE_BYTES]), length


def _with_verdicts(reply: Reply, told: bytes) -> Response:
    """200 with the verdicts, under the headers of `reply` (RFC 7240, section 3)."""
    response = Response(told, media_type="application/json")
    _add(response, reply)
    response.headers["preference-applied"] = "verdict"
    response.headers["access-control-expose-headers"] = "preference-applied"
    return response


def _response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status)
    _add(response, reply)
    return response


def _add(response: Response, reply: Reply) -> None:
    for name, value in reply.headers:
        response.headers[name.decode("latin-1")] = value.decode("latin-1")
