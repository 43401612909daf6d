"""What a body costs its sender at the door: how many events it may bring. Exact for what is JSON, cheap for the rest.

A packed body is unpacked for it, up to the longest that is read: 380 bytes of gzip carry 5,000 events. What they are is
for the shipper's readers to say; here they are only counted, 1 µs for a KB.
"""

import zlib
from typing import Final

import msgspec

#: The longest body, unpacked, of which anything is read; a longer one is one dead letter.
MAX_BODY_BYTES: Final = 1024 * 1024
#: The most events that any wire reads of one body.
MAX_EVENTS: Final = 5_000

_GZIP: Final = b"\x1f\x8b"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class _Payload(msgspec.Struct):
    """A body of a Snowplow tracker, or any other JSON object."""

    data: list[msgspec.Raw] = []


_decode_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_object: Final = msgspec.json.Decoder(_Payload).decode


def events_in(body: bytes) -> int:
    """At least 1, and at most MAX_EVENTS. What is no JSON counts by its braces: no event has fewer than one."""
    if body.startswith(_GZIP):
        try:
            body = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(body, MAX_BODY_BYTES + 1)
        except zlib.error:
            return 1
        if len(body) > MAX_BODY_BYTES:
            return 1
    braces = body.count(b"{")
    if braces <= 1:
        return 1
    said = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        events = len(_decode_array(said)) if said.lstrip()[:1] == b"[" else len(_decode_object(said).data)
    except (ValueError, RecursionError):
        events = braces
    return max(1, min(events, MAX_EVENTS))
