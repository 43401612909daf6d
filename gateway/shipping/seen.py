"""What was counted already: an index beside the warehouse, shared by all its shippers, derived and nothing else.

    warehouse/seen.sqlite

A key is a 64-bit hash, of the request id a trusted proxy gave a hit or of an event's own id; its print, 64 bits more,
tells what stands behind it, an event's fingerprint included. Whoever claims a key first owns it; claims are made before
a segment is committed, in transactions that all shippers wait for, so of two copies that are shipped at the same moment
exactly one is counted. A shipper that dies after a claim finds it its own when the segment is shipped again. Copies
that a journal wrote twice are known by runs of record numbers.

The index may be deleted: what is committed is read back from the files (`restore.py`), the rest is claimed anew.
"""

import contextlib
import fcntl
import hashlib
import os
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from .commits import Commit, Run

FILE: Final = "seen.sqlite"
_LOCK: Final = "seen.lock"

#: A retry counts once within this time.
WINDOW_MS: Final = 7 * 86_400_000
#: Keys are kept a day longer, then forgotten.
KEEP_MS: Final = WINDOW_MS + 86_400_000
#: How long a shipper waits for the others' transactions, which take a few hundredths of a second each.
_PATIENCE_SECONDS: Final = 60.0
_CHUNK: Final = 500
#: Copied for each key, which takes half the time of making one anew.
_HIT: Final = hashlib.blake2b(digest_size=16, person=b"hit")
_EVENT: Final = hashlib.blake2b(digest_size=16, person=b"event")
_ONE: Final = struct.Struct("<q")
_TWO: Final = struct.Struct("<qq")
#: The owner of a run that belongs to segments that are committed, whichever they are.
_COMMITTED: Final = 0

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS segments (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, committed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS seen (
    key INTEGER PRIMARY KEY, print INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    segment INTEGER NOT NULL, offset INTEGER NOT NULL, unit INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    journal TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, segment INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sent (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_by_end ON runs (journal, last);
CREATE INDEX IF NOT EXISTS runs_by_segment ON runs (segment);
"""


class Claim(NamedTuple):
    """A key, the place that wants to count it, and the print of what stands there."""

    key: int
    offset: int
    #: Which event of the hit; -1 for the hit itself.
    unit: int
    print: int
    at_ms: int


class Owner(NamedTuple):
    """Where the one that counts stands."""

    segment: str
    at_ms: int
    offset: int
    unit: int


#: "duplicate": the same was counted. "conflict": something else was counted under the same event id.
Verdict: TypeAlias = Literal["duplicate", "conflict"]


def hit_claim(hit_id: str, *, at_ms: int, offset: int) -> Claim:
    """The claim of a hit to the request id that a proxy gave it."""
    hashed = _HIT.copy()
    hashed.update(hit_id.encode())
    key, print_ = _TWO.unpack(hashed.digest())
    return Claim(key, offset, -1, print_, at_ms)


def event_claim(event_id: str, fingerprint: bytes, *, at_ms: int, offset: int, unit: int) -> Claim:
    """The claim of an event to its own id; of two with the same key, those with the same print say the same."""
    hashed = _EVENT.copy()
    hashed.update(event_id.encode())
    key, rest = _TWO.unpack(hashed.digest())
    # The rest of the id's hash keeps apart, should ever two ids have one key, events that say the same under both.
    return Claim(key, offset, unit, rest ^ _ONE.unpack_from(fingerprint)[0], at_ms)


def _other(claim: Claim) -> Claim:
    """The same claim, by the key for events whose own id is another event's already."""
    said = _TWO.pack(claim.key, claim.print)
    return claim._replace(key=_ONE.unpack(hashlib.blake2b(said, digest_size=8, person=b"other").digest())[0])


class Seen:
    """The index of one warehouse. Raises sqlite3.Error if its file cannot be used."""

    def __init__(self, warehouse: Path) -> None:
        self._lock = os.open(warehouse / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with self._alone():
            self._open(warehouse)

    def _open(self, warehouse: Path) -> None:
        self._base = sqlite3.connect(warehouse / FILE, isolation_level=None, timeout=_PATIENCE_SECONDS)
        # A power loss may take the last transactions, never half of one. What is committed by then is restored; what is
        # not is claimed again.
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = NORMAL")
        self._base.execute("PRAGMA cache_size = -65536")
        self._base.executescript(_TABLES)

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()
        os.close(self._lock)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait for the others' turns to end. SQLite's own waiting is sleeping, and it does not wait for an opening."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and no other shipper in between."""
        with self._alone():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    def number(self, segment: str) -> int:
        """The number by which the index knows a segment."""
        self._base.execute("INSERT OR IGNORE INTO segments (id) VALUES (?)", (segment,))
        return int(self._base.execute("SELECT number FROM segments WHERE id = ?", (segment,)).fetchone()[0])

    def claim(self, segment: int, claims: Sequence[Claim]) -> dict[int, Verdict]:
        """Claim keys for a segment, inside a transaction; gives those that others own, by their place in `claims`."""
        before = self._base.total_changes
        self._insert(segment, claims)
        if self._base.total_changes - before == len(claims):
            return {}
        owners = self._owners(claim.key for claim in claims)
        verdicts: dict[int, Verdict] = {}
        for index, claim in enumerate(claims):
            print_, owner = owners[claim.key]
            if owner == (segment, claim.at_ms, claim.offset, claim.unit):
                continue
            if abs(claim.at_ms - owner[1]) > WINDOW_MS:
                owners[claim.key] = (claim.print, self._take_over(segment, claim))
            elif print_ == claim.print:
                verdicts[index] = "duplicate"
            else:
                verdicts[index] = "conflict" if self._claim_other(segment, claim) else "duplicate"
        return verdicts

    def _claim_other(self, segment: int, claim: Claim) -> bool:
        other = _other(claim)
        before = self._base.total_changes
        self._insert(segment, [other])
        if self._base.total_changes > before:
            return True
        _, owner = self._owners([other.key])[other.key]
        if owner == (segment, claim.at_ms, claim.offset, claim.unit):
            return True
        if abs(claim.at_ms - owner[1]) <= WINDOW_MS:
            return False
        self._take_over(segment, other)
        return True

    def _insert(self, segment: int, claims: Sequence[Claim]) -> None:
        # Sorted, the keys fall on neighbouring pages of the tree; of equal ones the first place wins.
        columns = "key, offset, unit, print, at_ms, segment"
        insert = f"INSERT OR IGNORE INTO seen ({columns}) VALUES (?, ?, ?, ?, ?, {segment:d})"  # noqa: S608 - a number
        self._base.executemany(insert, sorted(claims))

    def take_over(self, segment: int, claim: Claim) -> None:
        """Make a segment the owner of what another one has claimed; inside a transaction."""
        for found in (claim, _other(claim)):
            owned = self._owners([found.key]).get(found.key)
            if owned is not None and owned[0] == claim.print:
                self._take_over(segment, found)
                return

    def _take_over(self, segment: int, claim: Claim) -> tuple[int, int, int, int]:
        self._base.execute(
            "UPDATE seen SET print = ?, at_ms = ?, segment = ?, offset = ?, unit = ? WHERE key = ?",
            (claim.print, claim.at_ms, segment, claim.offset, claim.unit, claim.key),
        )
        return segment, claim.at_ms, claim.offset, claim.unit

    def _owners(self, keys: Iterable[int]) -> dict[int, tuple[int, tuple[int, int, int, int]]]:
        """Print and (segment, time, offset, unit) behind each key."""
        found: dict[int, tuple[int, tuple[int, int, int, int]]] = {}
        wanted = list(keys)
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT key, print, segment, at_ms, offset, unit FROM seen WHERE key IN ({marks})"  # noqa: S608 - question marks
            found.update((key, (print_, tuple(owner))) for key, print_, *owner in self._base.execute(query, chunk))
        return found

    def owner(self, claim: Claim) -> Owner | None:
        """Who counts what this claim is for; None if nobody does within the window."""
        for key in (claim.key, _other(claim).key):
            found = self._owners([key]).get(key)
            if found is not None and found[0] == claim.print and abs(found[1][1] - claim.at_ms) <= WINDOW_MS:
                number, at_ms, offset, unit = found[1]
                (segment,) = self._base.execute("SELECT id FROM segments WHERE number = ?", (number,)).fetchone()
                return Owner(segment, at_ms, offset, unit)
        return None

    def others(self, segment: int, run: Run) -> list[Run]:
        """The runs of other segments that share record numbers with `run`; inside a transaction."""
        rows = self._base.execute(
            "SELECT journal, first, last FROM runs WHERE journal = ? AND last >= ? AND first <= ? AND segment != ?",
            (run.journal, run.first, run.last, segment),
        )
        return [Run(*row) for row in rows]

    def take_runs(self, segment: int, runs: Iterable[Run]) -> None:
        """The record numbers of a segment so far; inside a transaction."""
        self._base.execute("DELETE FROM runs WHERE segment = ?", (segment,))
        self._base.executemany(
            "INSERT INTO runs VALUES (?, ?, ?, ?)", [(run.journal, run.first, run.last, segment) for run in runs]
        )

    def committed(self, segment: int, runs: Iterable[Run], *, also: Iterable[str] = ()) -> None:
        """A segment is committed, and so are those that were folded into it: what it has claimed stays so."""
        with self.transaction():
            self.take_runs(segment, [])
            for run in runs:
                self._add_run(run)
            self._base.execute("UPDATE segments SET committed = 1 WHERE number = ?", (segment,))
            add = "INSERT INTO segments (id, committed) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET committed = 1"
            self._base.executemany(add, [(folded,) for folded in also])

    def _add_run(self, run: Run) -> None:
        """A run that goes on where another ends becomes one with it: a journal that never failed has one in all."""
        before = (run.journal, run.first - 1, _COMMITTED)
        where = "WHERE journal = ? AND last = ? AND segment = ?"
        row = self._base.execute(f"SELECT first FROM runs {where}", before).fetchone()  # noqa: S608 - a constant
        self._base.execute(f"DELETE FROM runs {where}", before)  # noqa: S608 - a constant
        first = row[0] if row else run.first
        self._base.execute("INSERT INTO runs VALUES (?, ?, ?, ?)", (run.journal, first, run.last, _COMMITTED))

    def is_sent(self, record: str) -> bool:
        """Whether a commit or an adjustment was sent to the sink."""
        return self._base.execute("SELECT 1 FROM sent WHERE id = ?", (record,)).fetchone() is not None

    def mark_sent(self, record: str) -> None:
        """A commit or an adjustment is in the sink."""
        self._base.execute("INSERT OR IGNORE INTO sent VALUES (?)", (record,))

    def mark_committed(self, segment: str) -> None:
        """Mark a segment, inside a transaction."""
        self._base.execute("UPDATE segments SET committed = 1 WHERE id = ?", (segment,))

    def holds_already(self, commit: Commit) -> None:
        """A record takes the place of others that are in here; if all of them were sent, it was."""
        self.committed(self.number(commit.segment), [])
        if all(self.is_sent(folded) for folded in commit.folded):
            self.mark_sent(commit.segment)

    def is_committed(self, segment: str) -> bool:
        """Whether a segment is marked as committed."""
        found = self._base.execute("SELECT 1 FROM segments WHERE id = ? AND committed = 1", (segment,))
        return found.fetchone() is not None

    def segments(self, *, committed: bool) -> dict[str, int]:
        """Ids and numbers of the segments that are marked as committed, or of those that are not."""
        rows = self._base.execute("SELECT id, number FROM segments WHERE committed = ?", (int(committed),))
        return dict(rows.fetchall())

    def give_up(self, segment: int) -> None:
        """Free what a segment has claimed that will never be committed; inside a transaction."""
        for table, column in (("seen", "segment"), ("runs", "segment"), ("segments", "number")):
            self._base.execute(f"DELETE FROM {table} WHERE {column} = ?", (segment,))  # noqa: S608 - constants

    def forget(self, now_ms: int) -> None:
        """Drop keys that no retry can match any more."""
        self._base.execute("DELETE FROM seen WHERE at_ms < ?", (now_ms - KEEP_MS,))
