"""From a raw hit to its events: each source has a decoder; a new wire is a module of its own and one line here."""

from collections.abc import Callable
from typing import Final, TypeAlias

from ..beacons.floods import refused_in
from ..beacons.payload import BATCH, LINK, OPEN, PIXEL, REFUSED, SNOWPLOW, RawHit
from . import mail_wire, own_wire, snowplow
from .enrich import Sender
from .event import Rejected, Unit

#: Raised when the same bytes would be read differently than before; stands in every commit record.
PARSER_VERSION: Final = 6

#: A little more than the longest that Snowplow's own collector took.
MAX_TARGET_BYTES: Final = 20 * 1024

#: Gives at least one unit, none for a count of refused hits, and never raises, whatever the hit holds.
Decoder: TypeAlias = Callable[[RawHit], list[Unit]]

DECODERS: Final[dict[str, Decoder]] = {
    PIXEL: own_wire.pixel,
    BATCH: own_wire.batch,
    SNOWPLOW: snowplow.units,
    REFUSED: lambda hit: [] if refused_in(hit) else [Rejected("not_a_count")],
    LINK: mail_wire.units,
    OPEN: mail_wire.units,
}


def units(hit: RawHit) -> list[Unit]:
    """The events of a hit, at least one, or none for a count of refused hits; never raises, whatever it holds."""
    if len(hit.target) > MAX_TARGET_BYTES:
        return [Rejected("target_too_long")]
    decoder = DECODERS.get(hit.source)
    return [Rejected("unknown_source")] if decoder is None else decoder(hit)


def units_of(hit: RawHit, sender: Sender) -> list[Unit]:
    """The same, with what only who sent them tells of some events."""
    found = units(hit)
    return [mail_wire.attributed(unit, hit, sender) for unit in found] if hit.source in mail_wire.SOURCES else found
