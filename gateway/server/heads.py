"""What of a head decides about its way: header names, and targets that make a scope."""

from typing import Final

from httptools import HttpParserError, parse_url

from ..wire import Header, Headers

#: Headers that decide about the way, as bits; a request with none of them needs no further look.
CONNECTION: Final = 1
LENGTH: Final = 2
CHUNKED: Final = 4
OTHER: Final = 8
LONG_WAY: Final = CHUNKED | OTHER
BODY_FOLLOWS: Final = LENGTH | CHUNKED
NOTED: Final = {
    b"connection": CONNECTION,
    b"content-length": LENGTH,
    b"transfer-encoding": CHUNKED,
    b"expect": OTHER,
    b"upgrade": OTHER,
}

#: Spellings of names that decide nothing: one look-up takes half the time of lower() and a look into NOTED (0.5 us for
#: a head of eleven lines). Learns others as they come, so many and so long at most.
_MAX_PLAIN: Final = 1_000
_MAX_PLAIN_BYTES: Final = 64
PLAIN: Final = {
    spelling: name
    for name in (
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"cookie",
        b"dnt",
        b"host",
        b"origin",
        b"pragma",
        b"priority",
        b"purpose",
        b"referer",
        b"sec-ch-ua",
        b"sec-ch-ua-mobile",
        b"sec-ch-ua-platform",
        b"sec-fetch-dest",
        b"sec-fetch-mode",
        b"sec-fetch-site",
        b"sec-fetch-user",
        b"sec-gpc",
        b"upgrade-insecure-requests",
        b"user-agent",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-method",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-forwarded-uri",
        b"x-latch-hit",
        b"x-latch-require",
        b"x-real-ip",
        b"x-request-id",
    )
    for spelling in (name, name.title())
}


def read_name(spelling: bytes) -> tuple[bytes, int]:
    """A header name that is not in PLAIN: in lower case, and what it decides; one that decides nothing is learnt."""
    name = spelling.lower()
    noted = NOTED.get(name, 0)
    if not noted and len(PLAIN) < _MAX_PLAIN and len(name) <= _MAX_PLAIN_BYTES:
        PLAIN[spelling] = name
    return name, noted


#: llhttp reads both alike.
_CONNECTION_NAMES: Final = frozenset((b"connection", b"proxy-connection"))


class Ignored(list[Header]):
    """A list of headers that stays empty."""

    def append(self, header: Header) -> None:
        """Drop it."""


def is_target(url: bytes) -> bool:
    """Whether uvicorn can make a scope of it; it fails with a stack trace where it cannot."""
    try:
        path = parse_url(url).path
    except HttpParserError:
        return False
    return bool(path) and path.isascii()


def without_offer(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """A head with these header lines, but for the token that makes Upgrade an offer (RFC 9110 section 7.8)."""
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in headers:
        if name in _CONNECTION_NAMES:
            kept = b",".join(token for token in value.split(b",") if token.strip().lower() != b"upgrade")
            lines.append(b"%s: %s" % (name, kept))
        else:
            lines.append(b"%s: %s" % (name, value))
    return b"\r\n".join((*lines, b"", b""))
