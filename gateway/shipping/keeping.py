"""What may be kept of an event about a person: where a policy (consent, erasure) speaks before anything is written."""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from ..beacons.payload import RawHit
from .enrich import Sender
from .event import Event, Rejected


class Kept(NamedTuple):
    """The event as it may be written, and what the person agreed to; from `visitor` on, columns of the same names."""

    event: Event
    visitor: str | None = None
    visitor_kind: str = "none"
    consent: str = "unknown"
    consent_source: str | None = None
    sharing: bool | None = None
    tracker_visitor: str | None = None


class Excluded(NamedTuple):
    """The event must not be written at all; the ledger counts it under this reason, a code such as "erased"."""

    reason: str


class Ruling(NamedTuple):
    """What holds for one hit: for each of its events, and for what of it was refused (None: it is kept)."""

    event: Callable[[Event], Kept | Excluded]
    letter: Callable[[Rejected], Excluded | None]


Policy: TypeAlias = Callable[[RawHit, Sender], Ruling]
#: The policy as of now; asked for before each segment.
Policies: TypeAlias = Callable[[], Policy]


def kept_letter(_refused: Rejected) -> None:
    """What was refused is kept."""
    return


def nameless(event: Event) -> Kept:
    """The event, and nothing that tells its visitor from another."""
    return Kept(without_names(event))


def without_names(event: Event) -> Event:
    """The event without the ids of session and account that its tracker sent."""
    if event.session is not None or event.user is not None:
        return event._replace(session=None, user=None)
    return event


_NAMELESS: Final = Ruling(nameless, kept_letter)


def nobody() -> Policy:
    """The policy for as long as nobody's consent is known: every event is kept, and no pseudonym with any."""
    return lambda _hit, _sender: _NAMELESS
