"""What may be kept of an event about a person: where a policy (consent, erasure) speaks before anything is written."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from ..beacons.payload import RawHit
from .event import Event


class Kept(NamedTuple):
    """The event as it may be written, and what the person agreed to."""

    event: Event
    visitor: str | None
    visitor_kind: str
    consent: str


class Excluded(NamedTuple):
    """The event must not be written at all; the ledger counts it under this reason, a code such as "erased"."""

    reason: str


Policy: TypeAlias = Callable[[RawHit, Event], Kept | Excluded]


def nobody(_hit: RawHit, event: Event) -> Kept:
    """The policy for as long as nobody's consent is known: every event is kept, and no pseudonym with any."""
    if event.session is not None or event.user is not None:
        event = event._replace(session=None, user=None)
    return Kept(event, None, "none", "unknown")
