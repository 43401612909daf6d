"""What a hot handler takes and gives: a request head in; `Reply`, `Recorded` or None (the long way) out.

A handler is a plain function without I/O, so the same function stands behind the fast door (server.py) and behind an
ASGI route (app.py), and a test can drive it with bytes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias

Header: TypeAlias = tuple[bytes, bytes]
Headers: TypeAlias = list[Header]

_STATUS_LINES: Final = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}


class Head:
    """One request as it came: header names in lower case and in order, nothing decoded, nothing trusted.

    `peer` is the address of the TCP peer ("192.0.2.1", "::1") or "unix:" for a Unix socket.
    `body` is empty unless the route takes one.
    """

    __slots__ = ("body", "headers", "method", "peer", "target")

    def __init__(self, method: bytes, target: bytes, headers: Headers, peer: str, body: bytes = b"") -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.peer = peer
        self.body = body


class Reply:
    """A whole answer, encoded once; build it when it is first needed and hand out the same object ever after.

    `content-length` is added here; the date is the door's, which also owns `connection`.
    """

    __slots__ = ("body", "fields", "headers", "status", "status_line", "tail")

    def __init__(self, status: int, headers: tuple[Header, ...] = (), body: bytes = b"") -> None:
        if status != HTTPStatus.NO_CONTENT:
            headers = (*headers, (b"content-length", b"%d" % len(body)))
        self.status = status
        self.headers = headers
        self.body = body
        self.status_line = _STATUS_LINES[status]
        #: The header lines, without the empty line that ends them.
        self.fields = b"".join(b"%s: %s\r\n" % header for header in headers)
        #: Header lines, empty line and body: what follows status line and date on a connection that stays open.
        self.tail = self.fields + b"\r\n" + body


@dataclass(frozen=True, slots=True)
class Recorded:
    """Answer `reply` once `payload` is in the journal, and 503 if it could not be written."""

    payload: bytes
    reply: Reply


Answer: TypeAlias = Reply | Recorded | None
Handler: TypeAlias = Callable[[Head], Answer]


@dataclass(frozen=True, slots=True)
class HotRoute:
    """A handler and the longest body it takes, in bytes; 0 means it is called when the head is complete.

    A request with a longer body than `max_body_bytes` goes the long way.
    """

    handler: Handler
    max_body_bytes: int = 0


#: Hot routes by exact path (the target up to "?").
HotRoutes: TypeAlias = Mapping[bytes, HotRoute]

#: The answer when the journal could not take a hit: nothing is answered 2xx that is not on disk.
NOT_RECORDED: Final = Reply(503, ((b"retry-after", b"5"), (b"cache-control", b"no-store")))
