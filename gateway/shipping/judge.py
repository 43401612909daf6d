"""What becomes of each event: good, bad, a duplicate, or excluded by a policy; of segments and of replayed letters."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from ..beacons import payload
from ..beacons.floods import refused_in
from .columns import EVENT, SENDER
from .commits import Count, Exclusion, FileEntry
from .dead_letters import DeadLetter, base64_text, write_dead_letters
from .enrich import Sender, spoken_of, without_address
from .event import Event, Rejected, Unit
from .keeping import Excluded, Kept, Policy, Ruling
from .parquet import EventRows
from .seen import Claim, Seen, Verdict, event_claim, hit_claim
from .tally import UNKNOWN, Tally, hour_of
from .times import happened_at, lateness

#: Why refused hits are excluded.
FLOOD: Final = "flood"

_EVENT_COLUMNS: Final = len(EVENT)
_SENDER_COLUMNS: Final = len(SENDER)


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


@dataclass(slots=True)
class Judged:
    """What hits have become so far."""

    rows: EventRows = field(default_factory=EventRows)
    letters: list[DeadLetter] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    excluded: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def exclusions(self) -> list[Exclusion]:
        """The excluded events by source, hour and reason."""
        return [Exclusion(*key, events) for key, events in sorted(self.excluded.items())]

    def write_letters(self, warehouse: Path, name: str) -> FileEntry | None:
        """Write the dead letters, durable; None if there are none."""
        day = hour_of(self.letters[0].received_at_ms)[:10] if self.letters else ""
        return write_dead_letters(warehouse, day, name, self.letters)


class Wishes(NamedTuple):
    """Hits and what they claim: each its request id, if it has one, and the ids of its events, in order."""

    hits: Sequence[Opened]
    of_hits: list[Claim | None]
    of_events: list[list[Claim]]


class Verdicts(NamedTuple):
    """What the index said: the places of hits that are copies or were sent again, and of the other hits' events."""

    again: set[int]
    events: dict[int, Verdict]


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


class Judge:
    """Judges the hits of one segment, chunk by chunk; what it finds comes together in `found`.

    Only `claim` needs a transaction of the index, for which others wait; what takes time is done before and after.
    Without `claims_hits` request ids are left alone: hits that are judged again have theirs.
    """

    def __init__(self, seen: Seen, policy: Policy, segment: int, *, claims_hits: bool = True) -> None:
        self._claims_hits = claims_hits
        self._seen = seen
        self._policy = policy
        self._segment = segment
        self.found: Final = Judged()

    def claim(self, wished: Wishes, copies: Collection[int] = ()) -> Verdicts:
        """Claim for the segment what was not counted yet: first request ids, then the ids of the other hits' events.

        `copies` are the places of hits whose records were met before.
        """
        named = [
            (place, claim)
            for place, claim in enumerate(wished.of_hits)
            if claim is not None and self._claims_hits and place not in copies
        ]
        verdicts = self._seen.claim(self._segment, [claim for _, claim in named])
        # A conflict would be two request ids with one key: no copy.
        again = {named[at][0] for at, verdict in verdicts.items() if verdict == "duplicate"} | set(copies)
        fresh = [claim for at, claims in enumerate(wished.of_events) if at not in again for claim in claims]
        return Verdicts(again, self._seen.claim(self._segment, fresh))

    def place(self, hits: Sequence[Opened], verdicts: Verdicts) -> None:
        """Say of every event what it is, and put it where it belongs."""
        claimed = count()
        for place, hit in enumerate(hits):
            hour = hour_of(hit.received_at_ms)
            if not hit.units:
                if place not in verdicts.again:
                    self._count_refused(hit, hour)
                continue
            counts = self.found.tally.of(hit.raw.source if hit.raw is not None else UNKNOWN, hour)
            counts.received += len(hit.units)
            if place in verdicts.again:
                counts.duplicate += len(hit.units)
                continue
            ruling = None if hit.raw is None or hit.sender is None else self._policy(hit.raw, hit.sender)
            for index, unit in enumerate(hit.units, hit.first_unit):
                if isinstance(unit, Rejected):
                    self._refuse(hit, hour, counts, index, unit, ruling)
                else:
                    assert ruling is not None
                    verdict = verdicts.events.get(next(claimed)) if unit.event_id is not None else None
                    self._place(hit, hour, counts, index, unit, verdict, ruling)

    def _count_refused(self, hit: Opened, hour: str) -> None:
        """Hits that a worker has refused in a flood: received, and kept out."""
        refused = refused_in(hit.raw) if hit.raw is not None else None
        if refused is not None:
            source, hits = refused
            counts = self.found.tally.of(source, hour)
            counts.received += hits
            counts.excluded += hits
            self.found.excluded[source, hour, FLOOD] += hits

    def _refuse(
        self, hit: Opened, hour: str, counts: Count, index: int, refused: Rejected, ruling: Ruling | None
    ) -> None:
        kept_out = None if ruling is None else ruling.letter(refused)
        if kept_out is not None:
            self._exclude(hour, counts, kept_out)
        else:
            counts.bad += 1
            self.found.letters.append(_letter(hit, refused, index))

    def _exclude(self, hour: str, counts: Count, kept_out: Excluded) -> None:
        counts.excluded += 1
        self.found.excluded[counts.source, hour, kept_out.reason] += 1

    def _place(
        self, hit: Opened, hour: str, counts: Count, index: int, event: Event, verdict: Verdict | None, ruling: Ruling
    ) -> None:
        if verdict == "duplicate":
            counts.duplicate += 1
            return
        assert hit.sender is not None
        kept = ruling.event(event)
        if isinstance(kept, Excluded):
            self._exclude(hour, counts, kept)
            return
        counts.good += 1
        sender = hit.sender if event.agent is None else spoken_of(hit.sender, event.agent)
        row = _row(hit, counts.source, sender, kept, index, conflict=verdict is not None)
        self.found.rows.add(hour, row)


def _row(hit: Opened, source: str, sender: Sender, kept: Kept, index: int, *, conflict: bool) -> tuple[object, ...]:
    """A row in the order of `columns.COLUMNS`."""
    event = kept.event
    return (
        hit.received_at_ms,
        hit.offset,
        index,
        hit.record_id,
        source,
        hit.hit_id,
        *event[:_EVENT_COLUMNS],
        *sender[:_SENDER_COLUMNS],
        event.machine or sender.machine,
        *kept[1:],
        conflict,
        lateness(hit.received_at_ms, event.occurred_at, event.sent_at),
        happened_at(hit.received_at_ms, event.occurred_at, event.sent_at),
    )


def _letter(hit: Opened, refused: Rejected, index: int) -> DeadLetter:
    if hit.raw is None or hit.sender is None:
        raw = hit.record
    else:
        raw = payload.encode(without_address(hit.raw, hit.sender.address_prefix, refused.alone))
    return DeadLetter(
        received_at_ms=hit.received_at_ms,
        source=hit.raw.source if hit.raw is not None else UNKNOWN,
        reason=refused.reason,
        record_id=hit.record_id.hex(),
        offset=hit.offset,
        unit=index,
        hit_id=hit.hit_id,
        payload=base64_text(raw),
    )
