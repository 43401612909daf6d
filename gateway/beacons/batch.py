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

#: An origin as browsers and web views write it (RFC 6454, 6.1), of whatever scheme: https://www.example.com,
#: capacitor://localhost, file://, chrome-extension://…; nothing in it could end a header or begin another value.
_ORIGIN: Final = re.compile(rb"null|[A-Za-z][A-Za-z0-9+.\-]{0,63}://[A-Za-z0-9._~%\-\[\]:]{0,255}")


def allowed_origin(headers: Headers) -> bytes:
    """The `Access-Control-Allow-Origin` for a request: its origin, or "*" if it names none or none that is well formed.

    Any page may send events, also one in a file or in a packaged app, and there is nothing to read but the verdicts on
    what it has sent. The origin is said back byte for byte, `null` too, because `sendBeacon` sends credentials, for
    which browsers refuse "*" (Fetch, "CORS check").
    """
    found = [value for name, value in headers if name == b"origin"]
    return found[0] if len(found) == 1 and _ORIGIN.fullmatch(found[0]) else b"*"


def cors_lines(origin: bytes) -> tuple[Header, ...]:
    """The lines for what `allowed_origin` gave: with "*" no credentials are allowed, as browsers demand."""
    lines = ((b"access-control-allow-origin", origin), (b"vary", b"origin"))
    return lines if origin == b"*" else (*lines, (b"access-control-allow-credentials", b"true"))


def wants_verdict(headers: Headers) -> bool:
    """Whether a request says `Prefer: verdict` (RFC 7240), with whatever else."""
    preferred = b",".join(value for name, value in headers if name == b"prefer").lower().split(b",")
    return any(preference.partition(b";")[0].strip() == b"verdict" for preference in preferred)


def batch_reply(origin: bytes) -> Reply:
    """204 with the CORS lines for `origin`."""
    return Reply(204, lines_for(origin))


def lines_for(origin: bytes) -> tuple[Header, ...]:
    """The header lines of every answer to a batch."""
    return (
        (b"cache-control", b"no-store"),
        *cors_lines(origin),
        (b"cross-origin-resource-policy", b"cross-origin"),
    )


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
        if floods.is_limited and (seconds := floods.refuses(head, BATCH, body)):
            return too_many(lines_for(allowed_origin(headers)), seconds)
        fields = (FORMAT, BATCH, wall_ms(), head.peer, b"POST", head.target, kept_headers(head), body, len(body))
        origin = allowed_origin(headers)
        return Recorded(encode(fields), replies.get(origin) or reply_to(origin))

    return batch
