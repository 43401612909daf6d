"""What was counted already: an index beside the warehouse, shared by all its shippers, derived and nothing else.

    warehouse/seen.sqlite

A key is a 64-bit hash, of the request id a trusted proxy gave a hit or of an event's own id; its print, 64 bits more,
tells what stands behind it, an event's fingerprint included. Whoever claims a key first owns it; claims are made before
a segment is committed, in transactions that all shippers wait for, so of two copies that are shipped at the same moment
exactly one is counted. A shipper that dies after a claim finds it its own when the segment is shipped again. Copies
that a journal wrote twice are known by runs of record numbers.

The index may be deleted: what is committed is read back from the files (`housekeeping/index_rebuild.py`), the rest is
claimed anew. So one that is damaged is set aside, and every process that has it open begins again.
"""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from .claims import Claim, Owner, Verdict, other_claim
from .commits import Commit, Run
from .seen_file import KNOWN, OWN, TAKEN_IN, IndexReplacedError, check_same, is_damage, open_index, set_aside

FILE: Final = "seen.sqlite"
_LOCK: Final = "seen.lock"

#: A retry counts once within this time.
WINDOW_MS: Final = 7 * 86_400_000
#: Keys are kept a day longer, then forgotten.
KEEP_MS: Final = WINDOW_MS + 86_400_000
#: How long a shipper waits for the others' transactions, which take a few hundredths of a second each.
_PATIENCE_SECONDS: Final = 60.0
_CHUNK: Final = 500
_ADD_RUN: Final = "INSERT INTO spans (journal, first, last, segment) VALUES (?, ?, ?, ?)"
#: The owner of a run that belongs to segments that are committed, whichever they are.
_COMMITTED: Final = 0


class Seen:
    """The index of one warehouse. Raises sqlite3.Error if its file cannot be used."""

    def __init__(self, warehouse: Path) -> None:
        self._path = warehouse / FILE
        self._lock = os.open(warehouse / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.ExitStack() as opening, self._alone():
            opening.callback(os.close, self._lock)
            self._base = open_index(self._path, patience_seconds=_PATIENCE_SECONDS)
            self._inode = self._path.stat().st_ino
            opening.pop_all()

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
            self.check()
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._base.in_transaction:  # else SQLite has rolled back: the file or the disk failed
                    self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    def check(self) -> None:
        """Raise IndexReplacedError if the index is another file by now: damaged and set aside, or deleted."""
        check_same(self._path, self._inode)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Where the file turns out to be damaged, set it aside and raise IndexReplacedError."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                with self._alone():
                    self.check()
                    set_aside(self._path)
                raise IndexReplacedError from error
            raise

    def number(self, segment: str) -> int:
        """The number by which the index knows a segment."""
        again = "ON CONFLICT (id) DO UPDATE SET committed = 0 WHERE committed = -1"
        self._base.execute(f"INSERT INTO segments (id) VALUES (?) {again}", (segment,))  # noqa: S608 - a constant
        return int(self._base.execute("SELECT number FROM segments WHERE id = ?", (segment,)).fetchone()[0])

    def claim(self, segment: int, claims: Sequence[Claim]) -> dict[int, Verdict]:
        """Claim keys for a segment, inside a transaction; gives those that others own, by their place in `claims`."""
        before = self._base.total_changes
        self._insert(segment, claims)
        if self._base.total_changes - before == len(claims):
            return {}
        owners = self._owners(claim.key for claim in claims)
        given_up = {number for (number,) in self._base.execute("SELECT number FROM segments WHERE committed = -1")}
        verdicts: dict[int, Verdict] = {}
        for index, claim in enumerate(claims):
            print_, owner = owners[claim.key]
            if owner == (segment, claim.at_ms, claim.offset, claim.unit):
                continue
            if abs(claim.at_ms - owner[1]) > WINDOW_MS or owner[0] in given_up:
                owners[claim.key] = (claim.print, self._take_over(segment, claim))
            elif print_ == claim.print:
                verdicts[index] = "duplicate"
            else:
                verdicts[index] = "conflict" if self._claim_other(segment, claim) else "duplicate"
        return verdicts

    def _claim_other(self, segment: int, claim: Claim) -> bool:
        other = other_claim(claim)
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
        for found in (claim, other_claim(claim)):
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
        for key in (claim.key, other_claim(claim).key):
            found = self._owners([key]).get(key)
            if found is not None and found[0] == claim.print and abs(found[1][1] - claim.at_ms) <= WINDOW_MS:
                number, at_ms, offset, unit = found[1]
                segment = self._base.execute("SELECT id FROM segments WHERE number = ?", (number,)).fetchone()
                return None if segment is None else Owner(segment[0], at_ms, offset, unit)
        return None

    def others(self, segment: int, run: Run) -> list[Run]:
        """The runs of other segments that share record numbers with `run`; inside a transaction."""
        rows = self._base.execute(
            "SELECT journal, first, last FROM spans WHERE journal = ? AND last >= ? AND first <= ? AND segment != ?",
            (run.journal, run.first, run.last, segment),
        )
        return [Run(*row) for row in rows]

    def take_runs(self, segment: int, runs: Iterable[Run]) -> None:
        """The record numbers of a segment so far; inside a transaction."""
        self._base.execute("DELETE FROM spans WHERE segment = ?", (segment,))
        self._base.executemany(_ADD_RUN, [(run.journal, run.first, run.last, segment) for run in runs])

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
        row = self._base.execute(f"SELECT first FROM spans {where}", before).fetchone()  # noqa: S608 - a constant
        self._base.execute(f"DELETE FROM spans {where}", before)  # noqa: S608 - a constant
        first = row[0] if row else run.first
        self._base.execute(_ADD_RUN, (run.journal, first, run.last, _COMMITTED))

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
        """Whether a segment is known to be committed."""
        return self._state(segment) in (TAKEN_IN, KNOWN, OWN)

    def is_taken_in(self, segment: str) -> bool:
        """Whether a segment is committed and all it counted is in here."""
        return self._state(segment) == TAKEN_IN

    def _state(self, segment: str) -> int | None:
        found = self._base.execute("SELECT committed FROM segments WHERE id = ?", (segment,)).fetchone()
        return None if found is None else int(found[0])

    def know(self, segments: Iterable[str], runs: Iterable[Run]) -> None:
        """Segments are committed, and these are their records' numbers; what they counted is taken in later."""
        states = "CASE committed WHEN -1 THEN 2 WHEN 0 THEN 3 ELSE committed END"
        add = f"ON CONFLICT (id) DO UPDATE SET committed = {states}"
        with self.transaction():
            for run in runs:
                self._add_run(run)
            rows = [(segment,) for segment in segments]
            self._base.executemany(f"INSERT INTO segments (id, committed) VALUES (?, 2) {add}", rows)  # noqa: S608

    def open_segments(self) -> dict[str, int]:
        """Ids and numbers of the segments that a shipper of this warehouse began and has not said to be committed."""
        return dict(self._base.execute("SELECT id, number FROM segments WHERE committed IN (0, 3)"))

    def give_up(self, segment: int) -> None:
        """Free what a segment has claimed that will never be committed; inside a transaction."""
        self.take_runs(segment, [])
        self._base.execute("UPDATE segments SET committed = -1 WHERE number = ?", (segment,))

    def forget_sent(self, record: str) -> None:
        """A commit or an adjustment is gone from the warehouse."""
        self._base.execute("DELETE FROM sent WHERE id = ?", (record,))

    def forget_keys(self, before_ms: int, *, keys: int) -> bool:
        """Look at the next so many keys and drop those older than `before_ms`; True when all have been looked at.

        Only the dropping holds up others, a millisecond or two for 1,000 keys; the place is kept for the next call.
        """
        (after,) = self._base.execute("SELECT value FROM cursors WHERE name = 'keys'").fetchone() or (-(2**63),)
        upto = self._base.execute(
            "SELECT key FROM seen WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?", (after, keys - 1)
        ).fetchone()
        last = 2**63 - 1 if upto is None else upto[0]
        with self.transaction():
            self._base.execute(
                "DELETE FROM seen WHERE key > ? AND key <= ? AND"
                " (at_ms < ? OR segment IN (SELECT number FROM segments WHERE committed = -1))",
                (after, last, before_ms),
            )
            done = upto is None
            self._base.execute("INSERT OR REPLACE INTO cursors VALUES ('keys', ?)", (-(2**63) if done else last,))
        return done

    def forget_segments(self, now_ms: int, before_ms: int, *, but: Collection[str], rows: int) -> None:
        """Drop at most so many segments and runs that were first noticed here before `before_ms`.

        `but` are segments that still stand in the journal. Call it again until nothing is left to do, some day.
        """
        with self.transaction():
            for table, settled in (("segments", "committed IN (-1, 1)"), ("spans", "segment = 0")):
                new = f"SELECT rowid FROM {table} WHERE noticed_ms = 0 AND {settled} LIMIT ?"  # noqa: S608 - constants
                self._base.execute(f"UPDATE {table} SET noticed_ms = ? WHERE rowid IN ({new})", (now_ms, rows))  # noqa: S608
            old = "SELECT id FROM segments WHERE noticed_ms BETWEEN 1 AND ? AND committed IN (-1, 1) LIMIT ?"
            found = [row for row in self._base.execute(old, (before_ms, rows)).fetchall() if row[0] not in but]
            self._base.executemany("DELETE FROM segments WHERE id = ?", found)
            self._base.execute("DELETE FROM spans WHERE noticed_ms BETWEEN 1 AND ?", (before_ms,))
