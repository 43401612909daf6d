"""The index brought up to what is committed: after a crash, a deletion, or when warehouses were put together.

Shippers go on meanwhile. They wait for one thing only, the index's lock, which is held for as long as it takes to claim
`ROWS_AT_A_TIME` rows (some 50 ms). What a shipper counts before the older copy was taken in becomes a duplicate when it
is. Rows are read and claimed so many at a time, so memory does not depend on how many a commit has.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from ..clock import Clock
from ..shipping.adjustments import Adjustments
from ..shipping.catalogue import Catalogue, Records
from ..shipping.claim import segments_in
from ..shipping.claims import Claim
from ..shipping.commits import Commit
from ..shipping.erasures import Erasures
from ..shipping.seen import KEEP_MS, Seen
from ..shipping.tally import hour_of
from .duplicates import Counted, claims_of, counted, settle

ROWS_AT_A_TIME: Final = 10_000

_T = TypeVar("_T")


class IndexRebuild:
    """Takes in what is committed and missing in the index. Whoever calls `step` holds the keeper's lock."""

    def __init__(self, warehouse: Path, journal: Path, clock: Clock, seen: Seen, records: Records) -> None:
        self._warehouse = warehouse
        self._journal = journal
        self._clock = clock
        self._seen = seen
        self._records = records
        self._erasures = Erasures(warehouse)
        #: Commits and adjustments that this process has found in the index.
        self._here: set[str] = set()
        self._failed: set[str] = set()
        #: Commits that are not in the index yet, as of the last step.
        self.missing: frozenset[str] = frozenset()
        #: The most rows that were held at a time so far.
        self.most_rows = 0

    def step(self) -> bool:
        """Take in one commit that is missing; False if none is, or only those that have to wait for a shipper.

        Claims of segments that are neither committed nor in the journal are freed: whoever made them is gone for good.
        Raises OSError, ValueError or sqlite3.Error; that commit is tried again when the others are in.
        """
        # Read in this order: a segment is in the journal before it claims anything, and leaves it after its commit. So
        # one that had claims and is in neither is nowhere.
        claiming = self._seen.open_segments()
        waiting = {path.name.partition(".")[0] for path in segments_in(self._journal)}
        catalogue = self._records.catalogue()
        self._free(claiming, waiting, catalogue)
        missing = [commit for commit in catalogue.commits if self._is_missing(catalogue, commit, waiting)]
        self.missing = frozenset(commit.segment for commit in missing)
        if not missing:
            self._failed.clear()
            return False
        commit = next((one for one in missing if one.segment not in self._failed), None)
        if commit is None:
            self._failed.clear()
            return False
        self._failed.add(commit.segment)
        if commit.segment not in claiming:
            # Not from a shipper of this warehouse that died: from a backup, or from a node that knew nothing of them.
            self._erasures.begin_again()
        if self._take_in(catalogue, commit, claiming.keys() & waiting):
            self._failed.discard(commit.segment)
        return True

    def _free(self, claiming: dict[str, int], waiting: Collection[str], catalogue: Catalogue) -> None:
        lost = {segment: number for segment, number in claiming.items() if segment not in waiting}
        if lost:
            committed = {one for commit in catalogue.commits for one in (commit.segment, *commit.folded)}
            with self._seen.transaction():
                still = self._seen.open_segments()
                for segment in lost.keys() - committed:
                    if still.get(segment) == lost[segment]:
                        self._seen.give_up(lost[segment])

    def _is_missing(self, catalogue: Catalogue, commit: Commit, waiting: Collection[str]) -> bool:
        if commit.segment in waiting:
            # Its shipper is about to say so, or the next one will ship it again.
            return False
        since_ms = self._clock.wall_ms() - KEEP_MS
        replayed = [found.id for found in catalogue.adjustments_of(commit) if found.events]
        if commit.committed_at_ms < since_ms and (commit.last_hour or "") < hour_of(since_ms) and not replayed:
            return False
        return not (self._is_here(commit.segment, commit.folded) and all(self._is_here(one) for one in replayed))

    def _is_here(self, record: str, folded: Collection[str] = ()) -> bool:
        if record not in self._here:
            parts = folded and all(map(self._seen.is_taken_in, folded))
            if not (self._seen.is_taken_in(record) or parts):
                return False
            self._here.add(record)
        return True

    def _take_in(self, catalogue: Catalogue, commit: Commit, in_hand: Collection[str]) -> bool:
        """Claim for a commit what it has counted within the window; False if that has to be done again."""
        since_day = hour_of(self._clock.wall_ms() - KEEP_MS)[:10]
        number = self._seen.number(commit.segment)
        complete = True
        for rows in in_pieces(counted(commit, catalogue, since_day=since_day), ROWS_AT_A_TIME):
            self.most_rows = max(self.most_rows, len(rows))
            claims = claims_of(rows)
            with self._seen.transaction():
                verdicts = self._seen.claim(number, claims)
            lost = [claims[at] for at, verdict in verdicts.items() if verdict == "duplicate"]
            if lost:
                complete &= self._settle(commit, rows, lost, in_hand)
        if complete:
            replayed = [found.id for found in catalogue.adjustments_of(commit) if found.events]
            self._seen.committed(number, commit.runs, also=[*commit.folded, *replayed])
        return complete

    def _settle(self, commit: Commit, rows: list[Counted], lost: list[Claim], in_hand: Collection[str]) -> bool:
        # What was adjusted must not be adjusted again.
        catalogue = self._records.catalogue()
        found = settle(self._seen, catalogue, commit, rows, lost, now_ms=self._clock.wall_ms(), in_hand=in_hand)
        for adjustment in found.adjustments:
            Adjustments(self._warehouse).add(adjustment)
        # Only now: else a crash would leave a copy that counts beside the one that owns.
        with self._seen.transaction():
            number = self._seen.number(commit.segment)
            for claim in found.won:
                self._seen.take_over(number, claim)
        return found.is_complete


def in_pieces(rows: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """What there is, so many at a time."""
    left = iter(rows)
    while piece := list(islice(left, size)):
        yield piece
