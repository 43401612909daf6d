"""From the warehouse to ClickHouse: every commit and adjustment, once, as a rule in the order they were made.

What was sent is marked in the index. A mark that is lost costs a second sending, which the token or at last the table's
merging turns into nothing. Nothing is folded or expires before it was sent: a sink that is away costs disk, no event.

A record that cannot be sent for a reason of its own, such as a file that cannot be read, holds up nothing but the later
records of the same commit: it is tried again, later and later (unsent.py). What an operator has set aside
(`latchstring warehouse check --quarantine`) is not sent, and its adjustment says so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from ..clock import Clock, SystemClock
from .adjustments import Adjustment, Unit
from .catalogue import Records
from .clickhouse import ClickHouse, SinkAwayError, SinkRefusedError
from .commits import Commit, Count, FileEntry
from .deletions import SinkDeletions
from .parquet import is_damaged, row_count
from .seen import Seen
from .unsent import Unsent

_PIECE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Waiting:
    """What was not sent yet."""

    commits: int
    size_bytes: int
    #: When the oldest of it was committed, in milliseconds since the epoch.
    oldest_ms: int | None


@dataclass(frozen=True, slots=True)
class _Due:
    """The records of one commit that were not sent, in the order they were made, and their files."""

    records: list[Commit | Adjustment]
    files: dict[str, list[FileEntry]]

    @property
    def name(self) -> str:
        return _id(self.records[0])


class FileUnreadableError(Exception):
    """A file of events that is to be sent cannot be read; says which."""


class Sender:
    """Sends one warehouse; several at a time do no harm, but no good either.

    `failed` hears of each attempt that failed for a reason of the record's own, and `clear` when none is held up.
    """

    def __init__(
        self,
        warehouse: Path,
        seen: Seen,
        sink: ClickHouse,
        clock: Clock | None = None,
        *,
        failed: Callable[[Exception], object] = lambda _: None,
        clear: Callable[[], object] = lambda: None,
    ) -> None:
        self._warehouse = warehouse
        self._seen = seen
        self._sink = sink
        self._records = Records(warehouse)
        self._deletions = SinkDeletions(warehouse, seen, sink)
        self._unsent = Unsent(clock or SystemClock(), failed, clear)
        #: Erasures whose rows this process has told the sink.
        self._told: set[str] = set()

    def send_once(self) -> int:
        """Send everything that waits; gives how many records that was. SinkAwayError; what was sent by then is sent.

        An erasure counts as sent when its events are deleted there, which is followed and not waited for: what is
        rewritten here waits for it, and nothing else does.
        """
        done, erased = 0, list[str]()
        under_way = self._deletions.under_way()
        waiting = list(self._waiting())
        self._unsent.begin([due.name for due in waiting], [_id(record) for due in waiting for record in due.records])
        for due in self._unsent.in_order(waiting, lambda due: due.name):
            for record in due.records:
                name = _id(record)
                is_erasure = isinstance(record, Adjustment) and record.why == "erasure"
                if not (is_erasure and name in under_way | self._told) and not self._try(record, due):
                    # What adjusts it waits with it: no row may come after its deletion.
                    break
                if is_erasure:
                    erased.append(name)
                else:
                    self._seen.mark_sent(name)
                    done += 1
        self._told &= set(erased)
        self._unsent.end()
        return done + self._deletions.advance(erased)

    def waiting(self) -> Waiting:
        """How much waits; a file that is not there has no size."""
        found = list(self._waiting())
        unsent = [record for due in found for record in due.records]
        size = sum(_size(self._warehouse / e.path) for due in found for entries in due.files.values() for e in entries)
        return Waiting(len(unsent), size, min(map(_made_at_ms, unsent), default=None))

    def _waiting(self) -> Iterator[_Due]:
        catalogue = self._records.catalogue()
        for commit in catalogue.commits:
            # Adjustments after what they adjust.
            adjustments = catalogue.adjustments_of(commit)
            everything: list[Commit | Adjustment] = [commit, *adjustments]
            records = [record for record in everything if not self._seen.is_sent(_id(record))]
            if records:
                lost = {path for found in adjustments for path in found.lost}
                yield _Due(records, {_id(r): [e for e in r.events if e.path not in lost] for r in records})

    def _try(self, record: Commit | Adjustment, due: _Due) -> bool:
        """Send a record, unless it is held up; whether it was sent. Raises SinkAwayError if the sink is."""
        name = _id(record)
        if not self._unsent.is_due(name):
            return False
        files = due.files[name]
        try:
            for entry in files:
                self._refuse_cut(entry)
            self._send(record, files)
        except SinkRefusedError as error:
            bad = [entry.path for entry in files if is_damaged(self._warehouse, entry)]
            if bad:
                self._unsent.failed(name, FileUnreadableError(f"{', '.join(bad)}: cannot be read to the end"))
            else:
                self._unsent.refused(name, error)
        except SinkAwayError:
            self._unsent.broken_off(name)
            raise
        except (OSError, FileUnreadableError) as error:
            self._unsent.failed(name, error)
        else:
            self._unsent.taken(name)
            if isinstance(record, Adjustment) and record.why == "erasure":
                self._told.add(name)
            return True
        return False

    def _refuse_cut(self, entry: FileEntry) -> None:
        """FileUnreadableError if a file is missing, cut short, or not the one it should be: looks at its end."""
        try:
            rows = row_count(self._warehouse / entry.path)
        except (OSError, ValueError) as error:
            raise FileUnreadableError(f"{entry.path}: {type(error).__name__}") from None
        if rows != entry.rows:
            raise FileUnreadableError(f"{entry.path}: {rows} rows instead of {entry.rows}")

    def _send(self, record: Commit | Adjustment, files: list[FileEntry]) -> None:
        name = _id(record)
        for entry in files:
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


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


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
