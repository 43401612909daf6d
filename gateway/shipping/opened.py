"""A hit that has been read, and what it claims in the index: its request id and the ids of its events."""

from collections.abc import Sequence
from typing import NamedTuple

from ..beacons import payload
from .claims import Claim, event_claim, hit_claim
from .enrich import Sender
from .event import Event, Unit


class Opened(NamedTuple):
    """A hit that has been read: its events, and who sent it."""

    record_id: bytes
    offset: int
    received_at_ms: int
    units: list[Unit]
    #: None, both, if the record was no hit at all; then `record` is what stood there.
    raw: payload.RawHit | None
    sender: Sender | None
    hit_id: str | None = None
    record: bytes = b""
    #: The number of its first event: 0, unless it is one event of a batch that is judged again.
    first_unit: int = 0


class Wishes(NamedTuple):
    """Hits and what they claim: each its request id, if it has one, and the ids of its events, in order."""

    hits: Sequence[Opened]
    of_hits: list[Claim | None]
    of_events: list[list[Claim]]


def wishes(hits: Sequence[Opened]) -> Wishes:
    """What hits claim."""
    of_hits: list[Claim | None] = []
    of_events: list[list[Claim]] = []
    for hit in hits:
        at_ms, offset = hit.received_at_ms, hit.offset
        of_hits.append(None if hit.hit_id is None else hit_claim(hit.hit_id, at_ms=at_ms, offset=offset))
        of_events.append(
            [
                event_claim(unit.event_id, unit.fingerprint, at_ms=at_ms, offset=offset, unit=index)
                for index, unit in enumerate(hit.units, hit.first_unit)
                if isinstance(unit, Event) and unit.event_id is not None
            ]
        )
    return Wishes(hits, of_hits, of_events)
