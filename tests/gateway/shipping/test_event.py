"""Header look-up of a raw hit."""

from harness.hits import pixel
from latchstring_gateway.beacons import payload
from latchstring_gateway.shipping.event import header


def test_first_header_of_a_name_counts() -> None:
    """A second one of the same name, and one that is not there, change nothing."""
    hit = payload.decode(pixel(b"", [(b"DNT", b"1"), (b"dnt", b"0")]))

    assert header(hit, b"dnt") == b"1"
    assert header(hit, b"referer") == b""
