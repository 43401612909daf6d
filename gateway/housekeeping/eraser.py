"""Carries erasures out: each step leaves the ledger whole, may be cut off anywhere, and is done again until it holds.

waiting     until every segment that was pending at the request is committed: by shippers that know of it, or before
marking     one search for all that wait: adjustments take their rows and letters out of what counts, commit by commit
rewriting   each such commit is compacted alone, into files without them; what no record names goes, and quarantine too;
            until every file could be read: one that could not is searched, with all others, when that has changed
leaving     until the old files are gone, when no report can be reading them any more
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import msgspec

from .. import logs
from ..beacons.segment import HEADER_BYTES, ids_of_name
from ..clock import Clock
from ..ids import to_text
from ..shipping import cells
from ..shipping.adjustments import Adjustments, Unit
from ..shipping.catalogue import Catalogue, Records
from ..shipping.claim import segments_in
from ..shipping.commits import Commit
from ..shipping.erasures import Erasure, Erasures
from ..shipping.leftovers import leftovers
from ..shipping.locks import KEEPER, LockedError, locked
from ..shipping.parquet import hour_of_path, is_damaged
from ..shipping.pseudonyms import Pseudonyms
from ..shipping.ship import QUARANTINE
from .compaction import compact
from .search import UNREADABLE, Found, Search, taken_out
from .unread import Unread

#: A step searches for so long, then others have their turn.
_STEP_NS: Final = 1_000_000_000

_REMEDY: Final = "put them back from a backup, or give them up: latchstring warehouse check --quarantine"

_log: Final = logs.get("shipping")


class _Scan(NamedTuple):
    """A search under way, the erasures that it is for, and the files that it could not read."""

    ids: frozenset[str]
    steps: Iterator[None]
    unread: list[str]


class Eraser:
    """Erases from one warehouse. `committed` and `may_go` as the keeper's."""

    def __init__(
        self,
        warehouse: Path,
        journal: Path,
        clock: Clock,
        pseudonyms: Pseudonyms,
        *,
        committed: Callable[[Commit], object] = lambda _: None,
        may_go: Callable[[str], bool] = lambda _: True,
        records: Records | None = None,
    ) -> None:
        self._warehouse = warehouse
        self._journal = journal
        self._clock = clock
        self._pseudonyms = pseudonyms
        self._committed = committed
        self._may_go = may_go
        self._erasures = Erasures(warehouse)
        self._records = records or Records(warehouse)
        self._commits = self._records.commits
        #: Searches of the whole warehouse that were begun.
        self.scans = 0
        self._scan: _Scan | None = None
        self._unread = Unread(warehouse, clock)

    def advance(self) -> bool:
        """Take the next step of every erasure; False if none can be taken now.

        Raises OSError or duckdb.Error; what was done by then holds.
        """
        if not self._erasures.under_way():
            return False
        try:
            with locked(self._warehouse / KEEPER):
                under_way = self._erasures.under_way()
                marking = [erasure for erasure in under_way if erasure.state == "marking"]
                # Never both: a search would miss what has moved to another commit since it began.
                rewrote = not marking and self._rewrite([one for one in under_way if one.state == "rewriting"])
                waited = [] if marking or rewrote else [self._wait(one) for one in under_way if one.state == "waiting"]
                marked = self._mark(marking)
                left = self._leave([erasure for erasure in under_way if erasure.state == "leaving"])
                return any(waited) or marked or rewrote or left
        except LockedError:
            return False

    def _wait(self, erasure: Erasure) -> bool:
        pending = segments_in(self._journal)
        if erasure.segments is None:
            # Listed after the request was durable: what comes later is shipped by who knows of it. So is what is
            # written yet to one that is empty, and an idle worker keeps such a one for good.
            pending = [path for path in pending if _size(path) > HEADER_BYTES]
            self._note(erasure, segments=sorted(map(_segment, pending)))
            return True
        if not set(erasure.segments).isdisjoint(map(_segment, pending)):
            return False
        self._note(erasure, state="marking")
        return True

    def _mark(self, marking: list[Erasure]) -> bool:
        """Search the warehouse once for all that wait for it, for a second at a time; who comes later has the next."""
        ids = {erasure.id for erasure in marking}
        if self._scan is None or not self._scan.ids <= ids:
            self._scan = None
            if not marking:
                return False
            unread: list[str] = []
            self._scan = _Scan(frozenset(ids), self._search_all(marking, unread), unread)
        until_ns = self._clock.boot_ns() + _STEP_NS
        (searched, steps, unread), self._scan = self._scan, None
        # One that ends otherwise is begun again: it has not searched everything.
        for _ in steps:
            if self._clock.boot_ns() > until_ns:
                self._scan = _Scan(searched, steps, unread)
                return True
        # Nothing was compacted since the first of them, so all that was taken out for one still says so.
        adjustments = self._records.catalogue().adjustments
        for erasure in marking:
            if erasure.id in searched:
                changes = [change for found in adjustments if found.erasure == erasure.id for change in found.changes]
                self._note(
                    erasure,
                    state="rewriting",
                    unread=unread,
                    events=erasure.events - sum(change.good for change in changes),
                    dead_letters=erasure.dead_letters - sum(change.bad for change in changes),
                )
        if unread:
            _log.error("erasures_wait_for_files", files=unread, remedy=_REMEDY)
        return True

    def _search_all(self, erasures: list[Erasure], unread: list[str]) -> Iterator[None]:
        """Take what is theirs out of each commit; between two pieces of a file there is a step.

        Files that cannot be read are added to `unread`, and their commits are left as they are.
        """
        search = Search(erasures, self._pseudonyms)
        self.scans += 1
        catalogue = self._records.catalogue()
        for commit in catalogue.commits:
            found: list[Found] = []
            bad = len(unread)
            for path, there in self._found_in(search, catalogue, commit):
                try:
                    for one in there:
                        if one is None:
                            yield
                        else:
                            found.append(one)
                except UNREADABLE:
                    self._unread.failed(path)
                    unread.append(path)
            if len(unread) == bad:
                self._take_out(commit, found)
            yield

    def _found_in(
        self, search: Search, catalogue: Catalogue, commit: Commit
    ) -> Iterator[tuple[str, Iterator[Found | None]]]:
        for entry in catalogue.events_of(commit):
            yield entry.path, search.rows(self._warehouse / entry.path, hour_of_path(entry.path))
        for entry in catalogue.letters_of(commit):
            yield entry.path, search.letters(self._warehouse / entry.path)

    def _take_out(self, searched: Commit, found: list[Found]) -> None:
        """Let what is theirs in one commit count as excluded: an adjustment for each erasure that has none there."""
        if not found:
            return
        # Somebody else may be at work on the same, between two steps.
        catalogue = self._records.catalogue()
        commit = next((one for one in catalogue.commits if one.segment == searched.segment), None)
        if commit is None:
            return
        # What does not count any more stands in files all the same, and must go with them.
        gone = {unit for adjustment in catalogue.adjustments_of(commit) for unit in adjustment.gone_rows}
        has_letters = any(one.reason for one in found)
        counting = {Unit(one.record_id, one.unit) for one in catalogue.letters(commit)} if has_letters else set()
        adjustments = catalogue.adjustments_of(commit)
        made_at_ms = max([self._clock.wall_ms(), *(one.made_at_ms + 1 for one in adjustments)])
        for erasure in dict.fromkeys(one.erasure for one in found):
            if any(one.erasure == erasure for one in adjustments):
                continue
            theirs = [one for one in found if one.erasure == erasure]
            rows = [one for one in theirs if not one.reason and one.unit not in gone]
            letters = list({one.unit: one for one in theirs if one.reason and one.unit in counting}.values())
            Adjustments(self._warehouse).add(taken_out(commit, erasure, rows, letters, made_at_ms))
            # Later than any other word on this commit, whatever the clock says.
            made_at_ms += 1

    def _rewrite(self, rewriting: list[Erasure]) -> bool:
        if not rewriting:
            return False
        catalogue = self._records.catalogue()
        to_rewrite = [
            commit
            for commit in catalogue.commits
            if any(found.why == "erasure" for found in catalogue.adjustments_of(commit))
        ]
        for commit in to_rewrite:
            may_go = all(map(self._may_go, (commit.segment, *(one.id for one in catalogue.adjustments_of(commit)))))
            if may_go and self._rewrite_one(catalogue, commit, rewriting):
                return True
        if to_rewrite:
            return False
        again = [erasure for erasure in rewriting if self._unread.over(erasure.unread, catalogue)]
        for erasure in again:
            self._note(erasure, state="marking")
        done = [erasure for erasure in rewriting if not erasure.unread]
        return self._let_leave(done) or bool(again)

    def _rewrite_one(self, catalogue: Catalogue, commit: Commit, rewriting: list[Erasure]) -> bool:
        """Write one commit anew; False if it has files that cannot be read, for which all of them wait then."""
        paths = [entry.path for entry in catalogue.events_of(commit)]
        if not self._unread.may_be_tried(paths):
            return False
        try:
            compacted = compact(catalogue, commit.span or commit.last_hour, [commit], now_ms=self._clock.wall_ms())
        except (*UNREADABLE, duckdb.Error):
            bad = [entry.path for entry in catalogue.events_of(commit) if is_damaged(self._warehouse, entry)]
            if not bad:
                raise
            for path in bad:
                self._unread.failed(path)
            _log.error("erasures_wait_for_files", files=bad, remedy=_REMEDY)
            for number, erasure in enumerate(rewriting):
                rewriting[number] = self._note(erasure, unread=sorted({*erasure.unread, *bad}))
            return False
        self._commits.add(compacted)
        self._committed(compacted)
        return True

    def _let_leave(self, done: list[Erasure]) -> bool:
        """All of theirs is out of every file that counts: remove what else may hold some of it."""
        if not done:
            return False
        for path in leftovers(self._warehouse, self._journal):
            path.unlink(missing_ok=True)
        # Nobody can tell whose hits are in what could not be read.
        for path in (self._warehouse / QUARANTINE).glob("*"):
            path.unlink(missing_ok=True)
        leaving = [commit.segment for commit, superseded in self._commits.everything() if superseded]
        for erasure in done:
            self._note(erasure, state="leaving", leaving=leaving)
        return True

    def _leave(self, leaving: list[Erasure]) -> bool:
        ids = self._commits.ids() if leaving else set[str]()
        done = [erasure for erasure in leaving if not ids & set(erasure.leaving)]
        if done:
            # Sums that were made of the old files, also those that were never finished.
            cells.remove_others(self._warehouse, ids)
            cells.remove_unfinished(self._warehouse)
        for erasure in done:
            self._note(erasure, state="complete", leaving=[], completed_at_ms=self._clock.wall_ms())
        return bool(done)

    def _note(self, erasure: Erasure, **changes: object) -> Erasure:
        noted = msgspec.structs.replace(erasure, **changes)
        self._erasures.write(noted)
        if "state" in changes:
            _log.info("erasure", erasure=erasure.id, state=changes["state"])
        return noted


def _segment(path: Path) -> str:
    return to_text(ids_of_name(path.name)[0])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
