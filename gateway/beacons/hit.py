"""HOT, 2 µs: `GET /b.gif`, the tracking pixel: keep the request raw, answer a GIF of 43 bytes.

Nothing is parsed here: a hit is judged by the shipper, never by the door, so no hit is ever answered 4xx.
"""

from base64 import b64decode
from typing import Final

from ..clock import Clock
from ..wire import Answer, Handler, Head, HeaderNames, Headers, Recorded, Reply
from .batch import allowed_origin, cors_lines
from .floods import Floods, too_many
from .payload import FORMAT, PIXEL, encode, kept_headers

PATH: Final = b"/b.gif"

#: The smallest transparent GIF: one pixel, 43 bytes.
GIF: Final = b64decode("R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")

_LINES: Final = (
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
)
PIXEL_REPLY: Final = Reply(200, ((b"content-type", b"image/gif"), *_LINES), GIF)
_ORIGIN: Final = HeaderNames(b"origin")


def pixel_reply(origins: Headers) -> Reply:
    """The GIF for a script that fetched it; `origins` are the lines in which its request named its origin."""
    origin = allowed_origin([(b"origin", value) for _name, value in origins])
    return Reply(200, ((b"content-type", b"image/gif"), *_LINES, *cors_lines(origin)), GIF)


def hit_handler(clock: Clock, floods: Floods) -> Handler:
    """The handler of `GET|HEAD /b.gif`; any other method goes the long way."""
    wall_ms = clock.wall_ms
    is_limited = floods.is_limited

    def hit(head: Head) -> Answer:
        method = head.method
        if method != b"GET" and method != b"HEAD":
            return None
        if is_limited and (seconds := floods.refuses(head, PIXEL)):
            return too_many(_LINES, seconds)
        # fmt: off
        fields = (FORMAT, PIXEL, wall_ms(), head.peer, method, head.target, kept_headers(head), b"", 0)
        # fmt: on
        # An image names no origin: 0.4 µs to see that.
        origins = head.lines(_ORIGIN)
        return Recorded(encode(fields), pixel_reply(origins) if origins else PIXEL_REPLY)

    return hit
