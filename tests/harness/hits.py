"""Hits as the doors would have kept them, and journals full of them, without a server."""

import secrets
from collections.abc import Iterable
from pathlib import Path

from latchstring_gateway.beacons.payload import BATCH, FORMAT, PIXEL, SNOWPLOW, encode
from latchstring_gateway.beacons.segment_file import Disk, Segments
from latchstring_gateway.clock import ManualClock
from latchstring_middleware.forwarded import TrustedProxies

Headers = Iterable[tuple[bytes, bytes]]

#: 2027-01-15T08:00:00Z, where a ManualClock starts.
NOW_MS = 1_800_000_000_000
HOUR = "2027-01-15T08"

CHROME = b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
TRUSTED = TrustedProxies.parse("127.0.0.1")


def pixel(
    query: bytes = b"p=/watch/1",
    headers: Headers = (),
    *,
    at_ms: int = NOW_MS,
    method: bytes = b"GET",
    hit_id: bytes = b"",
    peer: str = "127.0.0.1",
) -> bytes:
    """The payload of `GET /b.gif?query`."""
    said = [(b"user-agent", CHROME), *headers, *([(b"x-latch-hit", hit_id)] if hit_id else [])]
    return encode((FORMAT, PIXEL, at_ms, peer, method, b"/b.gif?" + query, said, b"", 0))


def batch(
    body: bytes,
    headers: Headers = (),
    *,
    at_ms: int = NOW_MS,
    content_type: bytes = b"application/json",
    body_bytes: int | None = None,
) -> bytes:
    """The payload of `POST /b`."""
    said = [(b"content-type", content_type), *headers]
    length = len(body) if body_bytes is None else body_bytes
    return encode((FORMAT, BATCH, at_ms, "127.0.0.1", b"POST", b"/b", said, body, length))


def snowplow(
    target: bytes = b"/i?e=pv&url=https://www.example.com/",
    body: bytes = b"",
    headers: Headers = (),
    *,
    at_ms: int = NOW_MS,
    content_type: bytes = b"application/json; charset=UTF-8",
    body_bytes: int | None = None,
) -> bytes:
    """The payload of what a Snowplow tracker sends: a POST if there is a body or the target is tp2's."""
    is_post = bool(body) or target.startswith(b"/com.snowplowanalytics.snowplow/tp2")
    said = [(b"content-type", content_type), *headers] if is_post else [*headers]
    length = len(body) if body_bytes is None else body_bytes
    method = b"POST" if is_post else b"GET"
    return encode((FORMAT, SNOWPLOW, at_ms, "127.0.0.1", method, target, said, body, length))


def write_segment(
    data_dir: Path, payloads: Iterable[bytes], *, journal_id: bytes | None = None, first_number: int = 0
) -> Path:
    """A finished segment with these payloads."""
    journal = journal_id or secrets.token_bytes(8)
    segments = Segments(
        data_dir / "journal", ManualClock(), Disk(), journal, durable=False, random_bytes=secrets.token_bytes
    )
    segment = segments.write_again([(first_number, list(payloads))])
    assert segments.settle([segment], None) == []
    return segment.path
