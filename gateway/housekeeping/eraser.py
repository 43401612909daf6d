"""Carries erasures out: each step leaves the ledger whole, may be cut off anywhere, and is done again until it holds.

waiting     until every segment that was pending at the request is committed: by shippers that know of it, or before
marking     an adjustment takes the person's rows and dead letters out of what counts, commit by commit
rewriting   each such commit is folded alone, into files without them; what no record names goes, and quarantine too
leaving     until the old files are gone, when no report can be reading them any more
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from .. import logs
from ..beacons.segment import HEADER_BYTES, ids_of_name
from ..clock import Clock
from ..ids import new_id, to_text
from ..shipping import cells
from ..shipping.adjustments import Adjustment, Adjustments, Unit
from ..shipping.catalogue import Catalogue, Records
from ..shipping.claim import segments_in
from ..shipping.commits import Commit, Count, Exclusion, added_up
from ..shipping.erasures import Erasure, Erasures
from ..shipping.leftovers import leftovers
from ..shipping.locks import KEEPER, LockedError, locked
from ..shipping.parquet import hour_of_path
from ..shipping.pseudonyms import Pseudonyms
from ..shipping.ship import QUARANTINE
from ..shipping.tally import hour_of
from .compaction import compact
from .search import Found, Search

REASON: Final = "erased"
#: A step searches for so long, then others have their turn.
_STEP_NS: Final = 1_000_000_000

_log: Final = logs.get("shipping")


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
        #: Erasure and commit, as far as searched by this process.
        self._searched: set[tuple[str, str]] = set()

    def advance(self) -> bool:
        """Take the next step of every erasure; False if none can be taken now.

        Raises OSError or duckdb.Error; what was done by then holds.
        """
        under_way = self._erasures.under_way()
        if not under_way:
            return False
        steps = {
            "waiting": self._wait,
            "marking": self._mark,
            "rewriting": self._rewrite,
            "leaving": self._leave,
        }
        try:
            with locked(self._warehouse / KEEPER):
                took = [steps[erasure.state](erasure) for erasure in under_way]
                return any(took)
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

    def _mark(self, erasure: Erasure) -> bool:
        until_ns = self._clock.boot_ns() + _STEP_NS
        search = Search(erasure, self._pseudonyms)
        catalogue = self._records.catalogue()
        for commit in catalogue.commits:
            if (erasure.id, commit.segment) in self._searched:
                continue
            if self._clock.boot_ns() > until_ns:
                return True
            self._take_out(erasure, search, catalogue, commit)
            self._searched.add((erasure.id, commit.segment))
        # Nothing was folded since the first of them, so all that was taken out for it still says so.
        changes = [
            change
            for found in self._records.catalogue().adjustments
            if found.erasure == erasure.id
            for change in found.changes
        ]
        self._note(
            erasure,
            state="rewriting",
            events=erasure.events - sum(change.good for change in changes),
            dead_letters=erasure.dead_letters - sum(change.bad for change in changes),
        )
        return True

    def _take_out(self, erasure: Erasure, search: Search, catalogue: Catalogue, commit: Commit) -> None:
        """Let what is the person's in one commit count as excluded."""
        adjustments = catalogue.adjustments_of(commit)
        if any(found.erasure == erasure.id for found in adjustments):
            return
        rows = [
            (hour_of_path(entry.path), found)
            for entry in catalogue.events_of(commit)
            for found in search.rows(self._warehouse / entry.path)
        ]
        letters = [
            (hour_of(letter.received_at_ms), Found(Unit(letter.record_id, letter.unit), letter.source))
            for entry in catalogue.letters_of(commit)
            for letter in search.letters(self._warehouse / entry.path)
        ]
        if not rows and not letters:
            return
        # What does not count any more stands in files all the same, and must go with them.
        gone = {unit for found in adjustments for unit in found.gone_rows}
        counting = {Unit(letter.record_id, letter.unit) for letter in catalogue.letters(commit)} if letters else set()
        rows = [(hour, found) for hour, found in rows if found.unit not in gone]
        letters = list({found.unit: (hour, found) for hour, found in letters if found.unit in counting}.values())
        events = Counter((found.source, hour) for hour, found in (*rows, *letters))
        Adjustments(self._warehouse).add(
            Adjustment(
                id=new_id(),
                # Later than any other word on this commit, whatever the clock says.
                made_at_ms=max([self._clock.wall_ms(), *(found.made_at_ms + 1 for found in adjustments)]),
                commit=commit.segment,
                why="erasure",
                erasure=erasure.id,
                changes=added_up(
                    [
                        *(Count(found.source, hour, good=-1, excluded=1) for hour, found in rows),
                        *(Count(found.source, hour, bad=-1, excluded=1) for hour, found in letters),
                    ]
                ),
                exclusions=[Exclusion(source, hour, REASON, n) for (source, hour), n in sorted(events.items())],
                gone_rows=[found.unit for _, found in rows],
                gone_letters=[found.unit for _, found in letters],
            )
        )

    def _rewrite(self, erasure: Erasure) -> bool:
        catalogue = self._records.catalogue()
        to_rewrite = [
            commit
            for commit in catalogue.commits
            if any(found.why == "erasure" for found in catalogue.adjustments_of(commit))
        ]
        for commit in to_rewrite:
            if all(map(self._may_go, (commit.segment, *(one.id for one in catalogue.adjustments_of(commit))))):
                folded = compact(catalogue, commit.span or commit.last_hour, [commit], now_ms=self._clock.wall_ms())
                self._commits.add(folded)
                self._committed(folded)
                return True
        if to_rewrite:
            return False
        for path in leftovers(self._warehouse, self._journal):
            path.unlink(missing_ok=True)
        # Nobody can tell whose hits are in what could not be read.
        for path in (self._warehouse / QUARANTINE).glob("*"):
            path.unlink(missing_ok=True)
        self._note(
            erasure,
            state="leaving",
            leaving=[commit.segment for commit, superseded in self._commits.everything() if superseded],
        )
        return True

    def _leave(self, erasure: Erasure) -> bool:
        if self._commits.ids() & set(erasure.leaving):
            return False
        # Sums that were made of the old files, also those that were never finished.
        cells.remove_others(self._warehouse, self._commits.ids())
        cells.remove_unfinished(self._warehouse)
        self._note(erasure, state="complete", leaving=[], completed_at_ms=self._clock.wall_ms())
        return True

    def _note(self, erasure: Erasure, **changes: object) -> None:
        self._erasures.write(msgspec.structs.replace(erasure, **changes))
        if "state" in changes:
            _log.info("erasure", erasure=erasure.id, state=changes["state"])


def _segment(path: Path) -> str:
    return to_text(ids_of_name(path.name)[0])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
