"""Every source has its decoder; what none reads is a dead letter."""

from harness.hits import NOW_MS, batch, pixel
from latchstring_gateway.beacons import payload
from latchstring_gateway.shipping.decode import units
from latchstring_gateway.shipping.event import Event, Rejected


def test_each_source_is_read_by_its_own_decoder() -> None:
    """The same request line is judged by the wire it came by."""
    assert isinstance(units(payload.decode(pixel()))[0], Event)
    assert isinstance(units(payload.decode(batch(b'{"page":"/a"}')))[0], Event)


def test_source_of_a_later_version_is_a_dead_letter() -> None:
    """After a step back to an older version nothing breaks and nothing is lost: the letters can be replayed."""
    hit = payload.RawHit(payload.FORMAT, "telepathy", NOW_MS, "127.0.0.1", b"GET", b"/t", [], b"", 0)

    assert units(hit) == [Rejected("unknown_source")]
