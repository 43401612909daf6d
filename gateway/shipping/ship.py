"""One segment becomes Parquet files, dead letters and a commit record; doing it again changes nothing."""

from pathlib import Path
from typing import Final

from .. import metrics
from ..beacons import payload
from ..beacons.segment import HEADER_BYTES, Record, Scan, ids_of_name
from ..beacons.segment_file import boot_id
from ..clock import Clock
from ..ids import to_text
from .commits import Commit, Commits
from .decode import PARSER_VERSION, units_of
from .durable import make_durably
from .enrich import UNTOLD, Senders
from .event import Rejected, Unit
from .faults import failed
from .judge import Judge
from .keeping import Policies, nobody
from .opened import Opened, wishes
from .pieces import pieces
from .seen import Seen
from .tally import Numbers, rate_at_end

QUARANTINE: Final = "quarantine"


class SegmentShipper:
    """Ships segments into one warehouse, one after the other; others may do so at the same time."""

    def __init__(
        self,
        warehouse: Path,
        clock: Clock,
        senders: Senders,
        commits: Commits,
        seen: Seen,
        policies: Policies = nobody,
    ) -> None:
        self._warehouse = warehouse
        self._policies = policies
        self._clock = clock
        self._senders = senders
        self._commits = commits
        self._seen = seen
        self._boot_id = boot_id()

    def ship(self, path: Path, data: bytes) -> Commit | None:
        """Ship a segment that nobody writes any more; when this returns, it is committed and may be deleted.

        None if there was nothing in it. Raises OSError or sqlite3.Error if the warehouse cannot take it; then nothing
        has happened, or it is committed and this is found out next time.
        """
        segment_id, made_in = ids_of_name(path.name)
        segment = to_text(segment_id)
        scan = Scan(data, segment_id)
        self._senders.follow()
        number = self._seen.number(segment)
        judge = Judge(self._seen, self._policies(), number)
        numbers = Numbers(lambda run: self._seen.others(number, run))
        times_ms: list[int] = []
        for opened in pieces(map(self._open, scan)):
            times_ms += [hit.received_at_ms for hit in opened]
            wished = wishes(opened)
            numbered = _numbered(opened)
            with self._seen.transaction():
                copies = numbers.copies(numbered)
                self._seen.take_runs(number, numbers.runs())
                verdicts = judge.claim(wished, copies)
            judge.place(opened, verdicts)
            judge.found.spill(self._warehouse, segment)
            metrics.EVENTS_SHIPPED.inc(sum(len(hit.units) for hit in opened))
        finished = scan.finished_with is not None
        rebooted = not finished and made_in != self._boot_id
        if not scan.records and not scan.damaged and not rebooted:
            return None
        if scan.damaged:
            kept = _damage_alone(data, scan)
            make_durably(self._warehouse / QUARANTINE / path.name, lambda temporary: temporary.write_bytes(kept))
        commit = Commit(
            segment=segment,
            committed_at_ms=self._clock.wall_ms(),
            parser=PARSER_VERSION,
            records=scan.records,
            events=judge.found.rows.write(self._warehouse, segment),
            dead_letters=judge.found.letters.write(self._warehouse, segment),
            reasons=dict(judge.found.letters.reasons),
            counts=judge.found.tally.counts(),
            exclusions=judge.found.exclusions(),
            runs=numbers.runs(),
            damaged=scan.damaged,
            torn_bytes=scan.torn_bytes,
            finished=finished,
            rebooted=rebooted,
            last_received_at_ms=max(times_ms, default=_made_at_ms(scan)),
            rate=rate_at_end(times_ms),
        )
        self._commits.add(commit)
        for (source, code), fields in judge.found.dropped.items():
            metrics.FIELDS_DROPPED.labels(source, code).inc(fields)
        self._seen.committed(number, commit.runs)
        return commit

    def _open(self, record: Record) -> Opened:
        record_id = record.journal_id + record.number.to_bytes(8, "big")
        try:
            raw = payload.decode(record.payload)
        except ValueError:
            refused = Rejected("not_a_hit")
            return Opened(record_id, record.offset, self._clock.wall_ms(), [refused], None, None, None, record.payload)
        try:
            sender, hit_id = self._senders.of(raw)
        except Exception as error:
            found: list[Unit] = [failed("enrich", error)]
            hit_id = self._senders.hit_id(raw)
            return Opened(record_id, record.offset, raw.received_at_ms, found, raw, UNTOLD, hit_id)
        return Opened(record_id, record.offset, raw.received_at_ms, units_of(raw, sender), raw, sender, hit_id)


def _numbered(hits: list[Opened]) -> list[tuple[str, int]]:
    """Journal and number of each hit's record."""
    names = {journal_id: journal_id.hex() for journal_id in {hit.record_id[:8] for hit in hits}}
    return [(names[hit.record_id[:8]], int.from_bytes(hit.record_id[8:], "big")) for hit in hits]


def _damage_alone(data: bytes, scan: Scan) -> bytes:
    """The segment with zeroes where good records stood: they are shipped, and their addresses are no longer needed."""
    kept = bytearray(len(data))
    for start, end in ((0, HEADER_BYTES), *scan.damaged):
        kept[start:end] = data[start:end]
    return bytes(kept)


def _made_at_ms(scan: Scan) -> int | None:
    return None if scan.header is None else scan.header.created_at_ms
