"""HOT, 2 µs: `POST /b`, events as JSON, NDJSON or the text/plain of `sendBeacon`: keep the body raw, answer 204.

Bodies over `HOT_BODY_BYTES`, and who wants to hear what became of each event, go the long way to endpoints.py.
"""

import re
from typing import Final

from ..clock import Clock
from ..wire import Answer, Handler, Head, Header, Headers, Recorded, Reply
from .floods import Floods, too_many
from .payload import BATCH, FORMAT, encode, kept_headers

PATH: Final = b"/b"
HOT_BODY_BYTES: Final = 64 * 1024

#: Replies are kept for this many origins; further ones get a reply of their own, built anew.
MAX_ORIGINS: Final = 1_024

_ORIGIN: Final = re.compile(rb"null|https?://[A-Za-z0-9.\-\[\]:]{1,255}")


def allowed_origin(headers: Headers) -> bytes:
    """The `Access-Control-Allow-Origin` for a request: its origin, or "*" if it names none that is well formed.

    Any page may send events and there is nothing to read. The origin is named because `sendBeacon` sends credentials,
    for which browsers refuse "*" (Fetch, "CORS check").
    """
    for name, value in headers:
        if name == b"origin":
            return value if _ORIGIN.fullmatch(value) else b"*"
    return b"*"


def wants_verdict(headers: Headers) -> bool:
    """Whether a request says `Prefer: verdict` (RFC 7240), with whatever else."""
    preferred = b",".join(value for name, value in headers if name == b"prefer").lower().split(b",")
    return any(preference.partition(b";")[0].strip() == b"verdict" for preference in preferred)


def batch_reply(origin: bytes) -> Reply:
    """204 with the CORS lines for `origin`."""
    return Reply(204, lines_for(origin))


def lines_for(origin: bytes) -> tuple[Header, ...]:
    """The header lines of every answer to a batch."""
    lines = [
        (b"cache-control", b"no-store"),
        (b"access-control-allow-origin", origin),
        (b"vary", b"origin"),
        (b"cross-origin-resource-policy", b"cross-origin"),
    ]
    if origin != b"*":
        lines.append((b"access-control-allow-credentials", b"true"))
    return tuple(lines)


def batch_handler(clock: Clock, floods: Floods) -> Handler:
    """The handler of `POST /b` with a whole body; any other method goes the long way."""
    wall_ms = clock.wall_ms
    replies: dict[bytes, Reply] = {}

    def reply_to(origin: bytes) -> Reply:
        reply = batch_reply(origin)
        if len(replies) < MAX_ORIGINS:
            replies[origin] = reply
        return reply

    def batch(head: Head) -> Answer:
        if head.method != b"POST":
            return None
        body = head.body
        headers = head.headers
        for name, _ in headers:
            if name == b"prefer":
                return None
        if floods.refuses(head, BATCH):
            return too_many(lines_for(allowed_origin(headers)))
        fields = (FORMAT, BATCH, wall_ms(), head.peer, b"POST", head.target, kept_headers(head), body, len(body))
        origin = allowed_origin(headers)
        return Recorded(encode(fields), replies.get(origin) or reply_to(origin))

    return batch
