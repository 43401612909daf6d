"""A hit as it is kept: the raw parts of one request, nothing decoded, as a MessagePack array.

    [format, source, received_at_ms, peer, method, target, [[name, value], …], body, body_bytes]

`body_bytes` is the length the sender sent; larger than `body` when only its beginning was kept.
"""

from typing import Final

import msgspec

from ..wire import Head, HeaderNames, Headers

FORMAT: Final = 1
#: The latest time of receipt that can be true: the year 2200.
LATEST_MS: Final = 7_258_118_400_000

PIXEL: Final = "pixel"
BATCH: Final = "batch"
SNOWPLOW: Final = "snowplow"
#: A signed link that was followed, and an open pixel that was fetched: `body` is a `MailHit`.
LINK: Final = "link"
OPEN: Final = "open"
#: No hit: how many of a wire were refused in a flood (floods.py).
REFUSED: Final = "refused"

#: By which a Snowplow tracker asks to be nobody, whatever it says.
ANONYMOUS: Final = b"sp-anonymous"
#: A line of our own among the kept headers: the network user id in the request's `sp` cookie, whose seal was good.
NETWORK_USER: Final = b"x-latch-network-user"

#: The only request headers that are kept whole; of `cookie`, the pairs of `KEPT_COOKIES`.
KEPT_HEADERS: Final = HeaderNames(
    b"accept-language",
    b"content-type",
    b"dnt",
    b"purpose",
    b"referer",
    b"sec-fetch-dest",
    b"sec-gpc",
    b"sec-purpose",
    b"user-agent",
    b"x-forwarded-for",
    b"x-latch-hit",
)
_COOKIE: Final = HeaderNames(b"cookie")
VISITOR_COOKIE: Final = "__Host-visitor"
CHOICES_COOKIE: Final = "__Host-choices"
#: Where the banners of others keep their TCF string.
BANNER_COOKIE: Final = "euconsent-v2"
#: How the kept pairs of a cookie header begin. The session cookie is never written down.
KEPT_COOKIES: Final = tuple(f"{name}=".encode() for name in (VISITOR_COOKIE, CHOICES_COOKIE, BANNER_COOKIE))


class RawHit(msgspec.Struct, frozen=True, array_like=True):
    """One request, raw; as `decode` gives it, header names are in lower case."""

    format: int
    source: str
    received_at_ms: int
    peer: str
    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    body_bytes: int


class MailHit(msgspec.Struct, frozen=True):
    """What the token of a link or an open pixel said, as JSON in the body of its hit; the token is not written down.

    `link` is the target without query and fragment, `recipient` a pseudonym; empty where there is none.
    """

    campaign: str
    message: str
    recipient: str
    sent_at_ms: int
    link: str = ""


#: Turns a RawHit, or a tuple of its fields, into a payload.
encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(RawHit).decode


def decode(payload: bytes) -> RawHit:
    """The hit in a payload.

    Raises ValueError (msgspec.DecodeError is one) if it is not a payload of this format.
    """
    hit = _decode(payload)
    if hit.format != FORMAT:
        raise ValueError(f"expected payload format {FORMAT}, got {hit.format}")
    if not 0 <= hit.received_at_ms <= LATEST_MS:
        raise ValueError(f"expected a time up to the year 2200, got {hit.received_at_ms}")
    headers = hit.headers
    # Names of a proxy or of HTTP/2 are in lower case already: looking costs a third of making the record anew.
    for name, _ in headers:
        if not name.islower():
            return msgspec.structs.replace(hit, headers=[(name.lower(), value) for name, value in headers])
    return hit


def kept_cookies(cookie: bytes) -> bytes:
    """The pairs of a cookie header that may be written down, duplicates included; empty if there are none."""
    pairs = [part for part in cookie.split(b";") if part.lstrip(b" \t").startswith(KEPT_COOKIES)]
    return b";".join(pairs)


def kept_headers(head: Head) -> Headers:
    """The headers that may be written down: first the others, then the cookies, each kind in order."""
    kept = head.lines(KEPT_HEADERS)
    # Nearly all hits carry none: three searches take half the time of looking for the cookie header (0.9 µs).
    if head.mentions(b"__Host-visitor=") or head.mentions(b"__Host-choices=") or head.mentions(b"euconsent-v2="):
        kept += [(b"cookie", pairs) for _name, line in head.lines(_COOKIE) if (pairs := kept_cookies(line))]
    return kept
