"""One segment becomes Parquet files, dead letters and a commit record; doing it again changes nothing."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from latchstring_middleware.forwarded import TrustedProxies

from ..beacons import payload
from ..beacons.segment import Record, Scan, ids_of_name
from ..beacons.segment_file import boot_id
from ..clock import Clock
from ..ids import to_text
from .columns import EVENT, SENDER, lateness
from .commits import Commit, Commits, Exclusion, FileEntry
from .dead_letters import DeadLetter, base64_text, write_dead_letters
from .decode import PARSER_VERSION, units
from .durable import make_durably
from .enrich import Sender, sender_of, without_address
from .event import Event, Rejected, Unit
from .keeping import Excluded, Kept, Policy, nobody
from .parquet import EventRows
from .seen import Seen, event_key, hit_key
from .tally import UNKNOWN, Numbers, Tally, hour_of, rate_at_end

QUARANTINE: Final = "quarantine"

#: Records that are in memory as Python objects at a time.
_CHUNK: Final = 2_000


@dataclass(slots=True)
class _Hit:
    """A record on its way: its events, and the keys it would be known by."""

    record: Record
    raw: payload.RawHit | None
    received_at_ms: int
    units: list[Unit]
    sender: Sender | None
    copy: bool
    keys: list[bytes | None] = field(default_factory=list)


class SegmentShipper:
    """Ships the segments of one warehouse, one after the other."""

    def __init__(
        self,
        warehouse: Path,
        clock: Clock,
        trusted: TrustedProxies,
        commits: Commits,
        seen: Seen,
        policy: Policy = nobody,
    ) -> None:
        self._warehouse = warehouse
        self._policy = policy
        self._clock = clock
        self._trusted = trusted
        self._commits = commits
        self._seen = seen
        self._boot_id = boot_id()
        #: A commit was begun whose segment may be missing in the index.
        self._index_behind = False

    def ship(self, path: Path, data: bytes) -> Commit | None:
        """Ship a segment that nobody writes any more; when this returns, it is committed and may be deleted.

        None if there was nothing in it. Raises OSError if the warehouse cannot take it; then nothing has happened, or
        it is committed and this is found out next time.
        """
        if self._index_behind:
            self._seen.catch_up(self._commits)
            self._index_behind = False
        segment_id, made_in = ids_of_name(path.name)
        segment = to_text(segment_id)
        scan = Scan(data, segment_id)
        work = _Work(EventRows(), [], Tally(), Numbers(self._seen.runs))
        records = iter(scan)
        while chunk := list(islice(records, _CHUNK)):
            self._judge([self._open(record, work.numbers) for record in chunk], work)
            work.rows.pack()
        finished = scan.finished_with is not None
        rebooted = not finished and made_in != self._boot_id
        if not scan.records and not scan.damaged and not rebooted:
            return None
        if scan.damaged:
            make_durably(self._warehouse / QUARANTINE / path.name, lambda temporary: temporary.write_bytes(data))
        commit = Commit(
            segment=segment,
            committed_at_ms=self._clock.wall_ms(),
            parser=PARSER_VERSION,
            records=scan.records,
            events=work.rows.write(self._warehouse, segment),
            dead_letters=self._write_dead_letters(segment, work.letters),
            counts=work.tally.counts(),
            exclusions=[Exclusion(*key, events) for key, events in sorted(work.excluded.items())],
            runs=work.numbers.runs(),
            damaged=scan.damaged,
            torn_bytes=scan.torn_bytes,
            finished=finished,
            rebooted=rebooted,
            last_received_at_ms=max(work.times_ms, default=_made_at_ms(scan)),
            rate=rate_at_end(work.times_ms),
        )
        self._index_behind = True
        self._commits.add(commit)
        self._seen.add(segment, work.keys.items(), commit.runs)
        self._index_behind = False
        return commit

    def _open(self, record: Record, numbers: Numbers) -> _Hit:
        copy = numbers.is_copy(record.journal_id.hex(), record.number)
        try:
            raw = payload.decode(record.payload)
        except ValueError:
            return _Hit(record, None, self._clock.wall_ms(), [Rejected("not_a_hit")], None, copy)
        sender = sender_of(raw, self._trusted)
        hit = _Hit(record, raw, raw.received_at_ms, units(raw), sender, copy)
        hit.keys = [hit_key(sender.hit_id) if sender.hit_id else None]
        for unit in hit.units:
            if isinstance(unit, Event) and unit.event_id is not None:
                hit.keys.append(event_key(unit.event_id, unit.fingerprint))
            else:
                hit.keys.append(None)
        return hit

    def _judge(self, hits: list[_Hit], work: "_Work") -> None:
        """Say of every event whether it is good, bad or a duplicate, and put it where it belongs."""
        keys = {key for hit in hits for key in hit.keys if key is not None}
        known = self._seen.known(keys, hits[0].received_at_ms)
        for hit in hits:
            source = hit.raw.source if hit.raw is not None else UNKNOWN
            hour = hour_of(hit.received_at_ms)
            count = work.tally.of(source, hour)
            count.received += len(hit.units)
            work.times_ms.append(hit.received_at_ms)
            if hit.copy or (hit.keys and self._was_seen(hit.keys[0], known, work)):
                count.duplicate += len(hit.units)
                continue
            if hit.keys and hit.keys[0] is not None:
                work.keys[hit.keys[0]] = hit.received_at_ms
            for index, unit in enumerate(hit.units):
                if isinstance(unit, Rejected):
                    count.bad += 1
                    work.letters.append(self._letter(hit, unit, index))
                    continue
                key = hit.keys[index + 1]
                if self._was_seen(key, known, work):
                    count.duplicate += 1
                    continue
                if key is not None:
                    work.keys[key] = hit.received_at_ms
                assert hit.raw is not None
                kept = self._policy(hit.raw, unit)
                if isinstance(kept, Excluded):
                    count.excluded += 1
                    work.excluded[source, hour, kept.reason] += 1
                    continue
                count.good += 1
                work.rows.add(hour, _row(hit, kept, index))

    @staticmethod
    def _was_seen(key: bytes | None, known: set[bytes], work: "_Work") -> bool:
        return key is not None and (key in known or key in work.keys)

    def _letter(self, hit: _Hit, refused: Rejected, index: int) -> DeadLetter:
        if hit.raw is None:
            raw = hit.record.payload
        else:
            raw = payload.encode(without_address(hit.raw, self._trusted, refused.alone))
        return DeadLetter(
            received_at_ms=hit.received_at_ms,
            source=hit.raw.source if hit.raw is not None else UNKNOWN,
            reason=refused.reason,
            record_id=_record_id(hit.record).hex(),
            offset=hit.record.offset,
            unit=index,
            hit_id=hit.sender.hit_id if hit.sender is not None else None,
            payload=base64_text(raw),
        )

    def _write_dead_letters(self, segment: str, letters: list[DeadLetter]) -> FileEntry | None:
        day = hour_of(letters[0].received_at_ms)[:10] if letters else ""
        return write_dead_letters(self._warehouse, day, segment, letters)


@dataclass(slots=True)
class _Work:
    """What a segment has become so far."""

    rows: EventRows
    letters: list[DeadLetter]
    tally: Tally
    numbers: Numbers
    keys: dict[bytes, int] = field(default_factory=dict)
    excluded: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    times_ms: list[int] = field(default_factory=list)


def _made_at_ms(scan: Scan) -> int | None:
    return None if scan.header is None else scan.header.created_at_ms


def _record_id(record: Record) -> bytes:
    return record.journal_id + record.number.to_bytes(8, "big")


_EVENT_COLUMNS: Final = len(EVENT)
_SENDER_COLUMNS: Final = len(SENDER)


def _row(hit: _Hit, kept: Kept, index: int) -> tuple[object, ...]:
    """A row in the order of `columns.COLUMNS`."""
    assert hit.raw is not None
    assert hit.sender is not None
    event, sender = kept.event, hit.sender
    at_ms = hit.received_at_ms
    return (
        at_ms,
        hit.record.offset,
        index,
        _record_id(hit.record),
        hit.raw.source,
        *event[:_EVENT_COLUMNS],
        *sender[:_SENDER_COLUMNS],
        event.machine or sender.machine,
        kept.visitor,
        kept.visitor_kind,
        kept.consent,
        None,
        lateness(at_ms, event.occurred_at, event.sent_at),
    )
