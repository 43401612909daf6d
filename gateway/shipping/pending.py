"""What stands in the journal and is not committed yet, counted in the same units as the shipper counts them."""

from dataclasses import dataclass, field
from pathlib import Path

from ..beacons import payload
from ..beacons.floods import refused_in
from ..beacons.segment import HEADER_BYTES, Scan, decode_header, ids_of_name
from ..ids import to_text
from .claim import segments_in
from .commits import Count
from .decode import units
from .tally import UNKNOWN, Tally, hour_of


@dataclass(slots=True)
class Pending:
    """Counts of hits that wait, by source and hour, and by segment."""

    segments: dict[str, list[Count]] = field(default_factory=dict)


def pending_counts(journal: Path) -> Pending:
    """Read every segment, open ones too. One that is shipped and deleted meanwhile is committed by then."""
    pending = Pending()
    for path in segments_in(journal):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        segment_id = ids_of_name(path.name)[0]
        tally = Tally()
        header = decode_header(data)
        made_at_ms = header.created_at_ms if header is not None else 0
        for record in Scan(data, segment_id):
            try:
                raw = payload.decode(record.payload)
            except ValueError:
                tally.of(UNKNOWN, hour_of(made_at_ms)).pending += 1
            else:
                source, events = refused_in(raw) or (raw.source, len(units(raw)))
                tally.of(source, hour_of(raw.received_at_ms)).pending += events
        pending.segments[to_text(segment_id)] = tally.counts()
    return pending


def oldest_pending_ms(journal: Path) -> int | None:
    """When the oldest segment that holds anything was made; None if nothing waits. Cheap: it reads headers only.

    All hits received before are committed.
    """
    made = []
    for path in segments_in(journal):
        try:
            with path.open("rb") as segment:
                header = decode_header(segment.read(HEADER_BYTES))
                holds_records = segment.read(1) != b""
        except FileNotFoundError:
            continue
        if holds_records:
            made.append(header.created_at_ms if header is not None else 0)
    return min(made, default=None)
