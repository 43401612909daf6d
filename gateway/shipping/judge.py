"""What becomes of each event: good, bad, a duplicate, or excluded by a policy; of segments and of replayed letters."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from ..beacons import payload
from ..beacons.floods import refused_in
from .claims import Verdict
from .columns import EVENT, OFFSET, RECORD_ID, SENDER, SOURCE, UNIT, Row
from .commits import Count, Exclusion
from .dead_letters import DeadLetter, base64_text
from .decode import alone
from .enrich import MOST_WHOLE_HEADS, Sender, shortened, spoken_of, without_address
from .event import Event, Rejected, Stage
from .faults import DECODER_FAILED, count_fault, failed, fault_of
from .keeping import Excluded, Kept, Policy, Ruling
from .letter_file import LetterFile
from .opened import Opened, Wishes
from .parquet import EventRows
from .seen import Seen
from .tally import UNKNOWN, Tally, hour_of
from .times import happened_at, lateness

#: Why refused hits are excluded.
FLOOD: Final = "flood"

_EVENT_COLUMNS: Final = len(EVENT)
_SENDER_COLUMNS: Final = len(SENDER)


@dataclass(slots=True)
class Judged:
    """What hits have become so far."""

    rows: EventRows = field(default_factory=EventRows)
    letters: LetterFile = field(default_factory=LetterFile)
    tally: Tally = field(default_factory=Tally)
    excluded: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    #: Fields that were left out of good events, by source and code.
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)

    def exclusions(self) -> list[Exclusion]:
        """The excluded events by source, hour and reason."""
        return [Exclusion(*key, events) for key, events in sorted(self.excluded.items())]

    def spill(self, warehouse: Path, name: str) -> None:
        """Write what has come together, if it is much, so that memory is bounded; nothing counts by it yet."""
        self.rows.spill(warehouse, name)
        self.letters.spill(warehouse, name)


class Verdicts(NamedTuple):
    """What the index said: the places of hits that are copies or were sent again, and of the other hits' events."""

    again: set[int]
    events: dict[int, Verdict]


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
            ruling = self._rule(hit)
            for index, unit in enumerate(hit.units, hit.first_unit):
                if isinstance(unit, Rejected):
                    self._refuse(hit, hour, counts, index, unit, ruling)
                else:
                    assert ruling is not None
                    verdict = verdicts.events.get(next(claimed)) if unit.event_id is not None else None
                    self._place(hit, hour, counts, index, unit, verdict, ruling)

        for row, error in self.found.rows.pack():
            self._refuse_row(hits, row, error)

    def _rule(self, hit: Opened) -> Ruling | None:
        if hit.raw is None or hit.sender is None:
            return None
        try:
            return self._policy(hit.raw, hit.sender)
        except Exception as error:
            return _failing(error)

    def _refuse_row(self, hits: Sequence[Opened], row: Row, error: Exception) -> None:
        """What counted as good and fits into no file: it was an event, yet becomes a dead letter."""
        hit = next(hit for hit in hits if (hit.record_id, hit.offset) == (row[RECORD_ID], row[OFFSET]))
        hour = hour_of(hit.received_at_ms)
        counts = self.found.tally.of(row[SOURCE], hour)
        counts.good -= 1
        self._fail(hit, hour, counts, row[UNIT], "row", error, self._rule(hit))

    def _fail(
        self, hit: Opened, hour: str, counts: Count, index: int, stage: Stage, error: Exception, ruling: Ruling | None
    ) -> None:
        """An event that could be read becomes a dead letter by a fault of ours."""
        assert hit.raw is not None
        self._refuse(hit, hour, counts, index, failed(stage, error, alone(hit.raw, index - hit.first_unit)), ruling)

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
        try:
            kept_out = None if ruling is None else ruling.letter(refused)
        except Exception as error:
            self._withhold(hit, counts, index, error)
            return
        if kept_out is not None:
            self._exclude(hour, counts, kept_out)
            return
        counts.bad += 1
        self.found.letters.add(_letter(hit, refused, index))
        if refused.fault is not None:
            count_fault(refused.fault)

    def _withhold(self, hit: Opened, counts: Count, index: int, error: Exception) -> None:
        """Nobody can say what may be kept of this event: it is counted as bad, and nothing of it is kept."""
        counts.bad += 1
        count_fault(fault_of("policy", error))
        self.found.letters.add(
            DeadLetter(
                received_at_ms=hit.received_at_ms,
                source=counts.source,
                reason=DECODER_FAILED,
                record_id=hit.record_id.hex(),
                offset=hit.offset,
                unit=index,
            )
        )

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
        try:
            kept = ruling.event(event)
        except Exception as error:
            self._withhold(hit, counts, index, error)
            return
        if isinstance(kept, Excluded):
            self._exclude(hour, counts, kept)
            return
        try:
            sender = hit.sender if event.agent is None else spoken_of(hit.sender, event.agent)
            row = _row(hit, counts.source, sender, kept, index, conflict=verdict is not None)
        except Exception as error:
            self._fail(hit, hour, counts, index, "enrich", error, ruling)
            return
        counts.good += 1
        if event.dropped is not None:
            self.found.dropped.update((counts.source, code) for code in event.dropped.split(" "))
        self.found.rows.add(hour, row)


def _failing(error: Exception) -> Ruling:
    """The ruling of a policy that has failed: so does whatever it is asked."""

    def fails(_unit: object) -> NoReturn:
        raise error

    return Ruling(fails, fails)


def _row(hit: Opened, source: str, sender: Sender, kept: Kept, index: int, *, conflict: bool) -> Row:
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
        kept = without_address(hit.raw, hit.sender.address_prefix, refused.alone)
        raw = payload.encode(shortened(kept) if refused.alone and len(hit.units) > MOST_WHOLE_HEADS else kept)
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
