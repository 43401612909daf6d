"""From a raw hit to its events: each source has a decoder; a new wire is a module of its own and one line here."""

from collections.abc import Callable
from typing import Final, TypeAlias

from ..beacons.floods import refused_in
from ..beacons.payload import BATCH, LINK, OPEN, PIXEL, REFUSED, SNOWPLOW, RawHit
from . import mail_wire, own_wire, snowplow
from .enrich import Sender
from .event import Rejected, Unit
from .faults import failed

#: Raised when the same bytes would be read differently than before; stands in every commit record.
PARSER_VERSION: Final = 7

#: As long as a whole head may be (server/limits.py): whatever came in by the door is read.
MAX_TARGET_BYTES: Final = 64 * 1024

#: Gives at least one unit, none for a count of refused hits. Should not raise, whatever the hit holds: what it raises
#: all the same costs the whole hit.
Decoder: TypeAlias = Callable[[RawHit], list[Unit]]

DECODERS: Final[dict[str, Decoder]] = {
    PIXEL: own_wire.pixel,
    BATCH: own_wire.batch,
    SNOWPLOW: snowplow.units,
    REFUSED: lambda hit: [] if refused_in(hit) else [Rejected("not_a_count")],
    LINK: mail_wire.units,
    OPEN: mail_wire.units,
}

#: Those whose hits may bring several events.
_TAKE_APART: Final[dict[str, Callable[[RawHit], list[bytes]]]] = {BATCH: own_wire.bodies, SNOWPLOW: snowplow.bodies}


def units(hit: RawHit) -> list[Unit]:
    """The events of a hit, at least one, or none for a count of refused hits; never raises, whatever it holds."""
    if len(hit.target) > MAX_TARGET_BYTES:
        return [Rejected("target_too_long")]
    decoder = DECODERS.get(hit.source)
    if decoder is None:
        return [Rejected("unknown_source")]
    try:
        return decoder(hit)
    except Exception as error:
        return [failed("decode", error)]


def alone(hit: RawHit, index: int) -> bytes:
    """A body that would bring one event of a hit alone; empty if the hit has but that one."""
    take_apart = _TAKE_APART.get(hit.source)
    return b"" if take_apart is None else take_apart(hit)[index]


def units_of(hit: RawHit, sender: Sender) -> list[Unit]:
    """The same, with what only who sent them tells of some events."""
    found = units(hit)
    if hit.source not in mail_wire.SOURCES:
        return found
    try:
        return [mail_wire.attributed(unit, hit, sender) for unit in found]
    except Exception as error:
        return [failed("enrich", error)]
