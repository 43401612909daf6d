"""An event, as every wire's decoder gives it: what a tracker said, checked; or why it was refused."""

from typing import Final, Literal, NamedTuple, TypeAlias

from ..beacons.payload import LATEST_MS, RawHit

#: What lies outside 0 and this is no time of ours.
MAX_TIME_MS: Final = LATEST_MS

#: What was being done to a hit: reading it, telling its sender, asking what may be kept, putting it into columns.
Stage: TypeAlias = Literal["decode", "enrich", "policy", "row"]


class Event(NamedTuple):
    """One good event. Fields with a column of the same name are told in columns.py; a wire fills what it can."""

    type: str
    page: str | None
    host: str | None
    event_id: str | None
    occurred_at: int | None
    #: A JSON object.
    properties: str | None
    #: 16 bytes of all that the event says but its id: the same id with another fingerprint is another event.
    fingerprint: bytes
    sent_at: int | None = None
    app: str | None = None
    platform: str | None = None
    session: str | None = None
    user: str | None = None
    campaign: str | None = None
    referrer_host: str | None = None
    link: str | None = None
    media: str | None = None
    play_state: str | None = None
    position_ms: int | None = None
    playback_rate: float | None = None
    ping: int | None = None
    viewing: str | None = None
    message: str | None = None
    recipient: str | None = None
    fetched_by: str | None = None
    rule: str | None = None
    scheme: str | None = None
    page_raw: str | None = None
    #: What of it could not be read and was left out: codes with a blank between them, those of refusals.
    dropped: str | None = None
    #: The pseudonym the tracker uses. No column of its own: the policy decides whether and how it is kept.
    visitor: str | None = None
    #: Why the wire takes this for a machine; wins over what the request's headers say.
    machine: str | None = None
    #: The user agent of the person, where a server speaks of one: the request's own is that of the server. No column.
    agent: str | None = None
    #: What the website's banner says of consent: "granted", "denied", or a TCF string; the policy reads it.
    consent: str | None = None


class Fault(NamedTuple):
    """An exception that nobody expected: what was being done, and where it came from. Tells nothing of a visitor's."""

    stage: Stage
    #: Type and place, as "OverflowError at own_fields.py:88".
    error: str


class Rejected(NamedTuple):
    """One event that is none, and why, as a code.

    `alone` is a body that would bring this event alone, so that it can be judged again later without its batch; empty
    if the whole hit was refused. `fault` tells of a mistake of ours, where that was the reason (faults.py).
    """

    reason: str
    alone: bytes = b""
    fault: Fault | None = None


Unit: TypeAlias = Event | Rejected


class RefusalError(Exception):
    """Raised inside a decoder: why an event is refused; the argument is the reason's code."""


def header(hit: RawHit, name: bytes) -> bytes:
    """The first header of that name (lower case), empty if there is none."""
    for found, value in hit.headers:
        if found == name:
            return value
    return b""
