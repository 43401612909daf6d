"""From the warehouse to ClickHouse: every commit and adjustment, once, in the order they were made.

What was sent is marked in the index. A mark that is lost costs a second sending, which the token or at last the table's
merging turns into nothing. Nothing is folded or expires before it was sent: a sink that is away costs disk, no event.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from .adjustments import Adjustment, Unit
from .catalogue import Records
from .clickhouse import ClickHouse
from .commits import Commit, Count
from .deletions import SinkDeletions
from .seen import Seen

_PIECE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Waiting:
    """What was not sent yet."""

    commits: int
    size_bytes: int
    #: When the oldest of it was committed, in milliseconds since the epoch.
    oldest_ms: int | None


class Sender:
    """Sends one warehouse; several at a time do no harm, but no good either."""

    def __init__(self, warehouse: Path, seen: Seen, sink: ClickHouse) -> None:
        self._warehouse = warehouse
        self._seen = seen
        self._sink = sink
        self._records = Records(warehouse)
        self._deletions = SinkDeletions(warehouse, seen, sink)
        #: Erasures whose rows this process has told the sink.
        self._told: set[str] = set()

    def send_once(self) -> int:
        """Send everything that waits; gives how many records that was. SinkAwayError; what was sent by then is sent.

        An erasure counts as sent when its events are deleted there, which is followed and not waited for: what is
        rewritten here waits for it, and nothing else does.
        """
        done, erased = 0, list[str]()
        under_way = self._deletions.under_way()
        for record in self._unsent():
            if isinstance(record, Adjustment) and record.why == "erasure":
                if record.id not in under_way | self._told:
                    self._send(record)
                    self._told.add(record.id)
                erased.append(record.id)
            else:
                self._send(record)
                self._seen.mark_sent(_id(record))
                done += 1
        self._told &= set(erased)
        return done + self._deletions.advance(erased)

    def waiting(self) -> Waiting:
        """How much waits."""
        unsent = list(self._unsent())
        size = 0
        for record in unsent:
            for entry in record.events:
                size += (self._warehouse / entry.path).stat().st_size
        return Waiting(len(unsent), size, min(map(_made_at_ms, unsent), default=None))

    def _unsent(self) -> Iterator[Commit | Adjustment]:
        catalogue = self._records.catalogue()
        for commit in catalogue.commits:
            # Adjustments after what they adjust.
            records: list[Commit | Adjustment] = [commit, *catalogue.adjustments_of(commit)]
            for record in records:
                if not self._seen.is_sent(_id(record)):
                    yield record

    def _send(self, record: Commit | Adjustment) -> None:
        name = _id(record)
        for entry in record.events:
            partition = entry.path.rpartition("/")[0]
            data = _pieces(self._warehouse / entry.path)
            self._sink.insert("events", "Parquet", data, token=f"{name}:{partition}")
        if isinstance(record, Adjustment):
            gone = b"".join(_gone_row(row) for row in record.gone_rows)
            self._insert("gone", "RowBinary", gone, token=f"{name}:gone")
        counts = record.changes if isinstance(record, Adjustment) else record.counts
        lines = b"".join(_count_line(name, count) for count in counts)
        self._insert("counts", "JSONEachRow", lines, token=f"{name}:counts")

    def _insert(self, table: str, form: str, rows: bytes, *, token: str) -> None:
        if rows:
            self._sink.insert(table, form, rows, token=token)


def _id(record: Commit | Adjustment) -> str:
    return record.id if isinstance(record, Adjustment) else record.segment


def _made_at_ms(record: Commit | Adjustment) -> int:
    return record.made_at_ms if isinstance(record, Adjustment) else record.committed_at_ms


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _gone_row(row: Unit) -> bytes:
    """FixedString(16) and Int32, as RowBinary has them."""
    return bytes.fromhex(row.record_id) + row.unit.to_bytes(4, "little", signed=True)


def _count_line(commit: str, count: Count) -> bytes:
    fields = msgspec.structs.asdict(count)
    del fields["pending"]
    return msgspec.json.encode({"commit": commit, **fields}) + b"\n"
