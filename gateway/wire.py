"""What a hot handler takes and gives: a request head in; `Reply`, `Recorded` or None (the long way) out.

A handler is a plain function without I/O, so the same function stands behind the fast door (server.py) and behind an
ASGI route (app.py), and a test can drive it with bytes.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import groupby
from typing import Final, TypeAlias

from msgspec import Struct

Header: TypeAlias = tuple[bytes, bytes]
Headers: TypeAlias = list[Header]

_STATUS_LINES: Final = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}


class HeaderNames:
    """The names of headers that a handler looks for; `Head.lines` finds them without a look at the others."""

    __slots__ = ("names", "pattern")

    def __init__(self, *names: bytes) -> None:
        self.names = frozenset(names)
        # Grouped by first letter, since the matcher skips a group by its first character: 0.9 µs less for twelve names.
        groups = [
            _any_case(first.encode()) + b"(?:" + b"|".join(_any_case(name[1:]) for name in group) + b")"
            for first, group in groupby(sorted(names), key=lambda name: chr(name[0]))
        ]
        #: Finds (name, value) in a head of which every line is known to be well formed.
        self.pattern = re.compile(rb"\n(" + b"|".join(groups) + rb"):[ \t]*+([^\r]*+)")


def _any_case(name: bytes) -> bytes:
    # Brackets are twice as fast as the flag that ignores case.
    return b"".join(b"[%c%c]" % (c, c - 32) if chr(c).isalpha() else re.escape(bytes((c,))) for c in name)


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

    def lines(self, wanted: HeaderNames) -> Headers:
        """The headers of these names, in order; the names in lower case or as they came."""
        names = wanted.names
        return [header for header in self.headers if header[0] in names]

    def mentions(self, text: bytes) -> bool:
        """Whether `text` stands in the head, at least if it does in the value of a header."""
        return any(text in value for _name, value in self.headers)


_EVERY_LINE: Final = re.compile(rb"\n([^:\r]++):[ \t]*+([^\r]*+)")


class UnreadHead(Head):
    """The head of a GET whose lines the parser has vouched for without handing them over; read when asked for.

    Says the same as the `Head` of the same request (both read values as llhttp does: white space before them is no part
    of them). `data` is the head with its empty line and nothing else.
    """

    __slots__ = ("data",)

    def __init__(self, target: bytes, data: bytes, peer: str) -> None:
        self.method = b"GET"
        self.target = target
        self.data = data
        self.peer = peer
        self.body = b""

    @property
    def headers(self) -> Headers:  # type: ignore[override]  # Head's own is an attribute
        """See `Head`."""
        return [(name.lower(), value) for name, value in _EVERY_LINE.findall(self.data)]

    def lines(self, wanted: HeaderNames) -> Headers:
        """See `Head.lines`."""
        return wanted.pattern.findall(self.data)

    def mentions(self, text: bytes) -> bool:
        """See `Head.mentions`."""
        return text in self.data


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


class Recorded(Struct, frozen=True, gc=False):
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
