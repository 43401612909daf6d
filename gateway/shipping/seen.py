"""What was counted already: an index beside the warehouse, derived from committed segments and nothing else.

    warehouse/seen.sqlite

Keys are 16-byte hashes: of the request id a trusted proxy gave a hit, and of an event's own id with its fingerprint.
Copies that a journal wrote twice are known by runs of record numbers, a few per segment. A segment goes in as one
transaction after its commit; one that is committed but not in here (a crash between the two, a deleted index) is read
back from its Parquet files and dead letters.
"""

import hashlib
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from .commits import Commit, Commits, Run
from .dead_letters import read_dead_letters

FILE: Final = "seen.sqlite"

#: A retry counts once within this time.
WINDOW_MS: Final = 7 * 86_400_000
#: Keys are kept a day longer, then forgotten.
_KEEP_MS: Final = WINDOW_MS + 86_400_000
_CHUNK: Final = 500

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS segments (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (key BLOB PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (journal TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS runs_by_journal ON runs (journal);
"""


def hit_key(hit_id: str) -> bytes:
    """The key of a proxy's request id."""
    return hashlib.blake2b(hit_id.encode(), digest_size=16, person=b"hit").digest()


def event_key(event_id: str, fingerprint: bytes) -> bytes:
    """The key of an event's own id and what the event says."""
    return hashlib.blake2b(event_id.encode() + b"\0" + fingerprint, digest_size=16, person=b"event").digest()


class Seen:
    """The index of one warehouse; used by its one shipper."""

    def __init__(self, warehouse: Path) -> None:
        self._warehouse = warehouse
        self._base = sqlite3.connect(warehouse / FILE, isolation_level=None)
        # A power loss may take the last transactions, never half of one: then `catch_up` finds them missing.
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = NORMAL")
        self._base.execute("PRAGMA cache_size = -65536")
        self._base.executescript(_TABLES)

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def known(self, keys: Collection[bytes], at_ms: int) -> set[bytes]:
        """Those of `keys` that were counted within the window around `at_ms`."""
        found: set[bytes] = set()
        wanted = list(keys)
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(chunk))
            query = f"SELECT key FROM seen WHERE key IN ({marks}) AND at_ms BETWEEN ? AND ?"  # noqa: S608 - question marks
            found.update(key for (key,) in self._base.execute(query, (*chunk, at_ms - WINDOW_MS, at_ms + WINDOW_MS)))
        return found

    def runs(self, journal: str) -> list[Run]:
        """The runs of record numbers of one journal that are committed."""
        rows = self._base.execute("SELECT journal, first, last FROM runs WHERE journal = ?", (journal,))
        return [Run(*row) for row in rows]

    def add(self, segment: str, keys: Iterable[tuple[bytes, int]], runs: Iterable[Run]) -> None:
        """Take in a committed segment, wholly or not at all; keys come with their receipt time in milliseconds."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            self._base.execute("INSERT OR REPLACE INTO segments VALUES (?)", (segment,))
            # Sorted, the keys fall on neighbouring pages of the tree.
            self._base.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", sorted(keys))
            for run in runs:
                self._add_run(run)
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")

    def _add_run(self, run: Run) -> None:
        """A run that goes on where another ends becomes one with it: a journal that never failed has one in all."""
        before = (run.journal, run.first - 1)
        row = self._base.execute("SELECT first FROM runs WHERE journal = ? AND last = ?", before).fetchone()
        self._base.execute("DELETE FROM runs WHERE journal = ? AND last = ?", before)
        self._base.execute("INSERT INTO runs VALUES (?, ?, ?)", (run.journal, row[0] if row else run.first, run.last))

    def forget(self, now_ms: int) -> None:
        """Drop keys that no retry can match any more."""
        self._base.execute("DELETE FROM seen WHERE at_ms < ?", (now_ms - _KEEP_MS,))

    def catch_up(self, commits: Commits) -> int:
        """Take in every committed segment that is missing; gives their number."""
        indexed = {segment for (segment,) in self._base.execute("SELECT id FROM segments")}
        missing = commits.ids() - indexed
        for segment in missing:
            commit = commits.read(segment)
            self.add(segment, self._keys_of(commit), commit.runs)
        return len(missing)

    def _keys_of(self, commit: Commit) -> list[tuple[bytes, int]]:
        keys: list[tuple[bytes, int]] = []
        for entry in commit.events:
            table = pq.ParquetFile(self._warehouse / entry.path).read(
                ["received_at", "hit_id", "event_id", "fingerprint"]
            )
            columns = [table.column(0).cast("int64"), *(table.column(index) for index in (1, 2, 3))]
            for at_ms, hit_id, event_id, fingerprint in zip(*(c.to_pylist() for c in columns), strict=True):
                if hit_id:
                    keys.append((hit_key(hit_id), at_ms))
                if event_id is not None:
                    keys.append((event_key(event_id, fingerprint), at_ms))
        if commit.dead_letters is not None:
            letters = read_dead_letters(self._warehouse / commit.dead_letters.path)
            keys.extend((hit_key(letter.hit_id), letter.received_at_ms) for letter in letters if letter.hit_id)
        return keys
