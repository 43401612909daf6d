"""Keeping a warehouse small: compacts closed hours and days, makes their rollups, expires old days, removes what counts
no more, and trims records.

One act at a time, so that others have their turn in between; one process at a time, by a lock that no shipper takes.
"""

from collections.abc import Callable, Collection
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from .. import logs
from ..clock import Clock
from ..ids import new_id
from ..shipping import cells
from ..shipping.adjustments import Adjustment
from ..shipping.catalogue import Catalogue, Records
from ..shipping.claim import segments_in
from ..shipping.commits import Commit, Count, Exclusion, FileEntry, added_up
from ..shipping.erasures import Erasures
from ..shipping.locks import KEEPER, LockedError, locked
from ..shipping.parquet import is_damaged
from ..shipping.tally import hour_of
from .compaction import compact, exclusions_added_up, joined, summary, to_compact
from .trim import may_be_trimmed, trimmed

#: No report runs for longer, in milliseconds; files that no longer count are kept for so long.
LONGEST_REPORT_MS: Final = 15 * 60_000
#: An hour is over this long after its end: what was received in it is shipped by then, unless there is a backlog.
_SETTLED_MS: Final = 10 * 60_000
_DAY_MS: Final = 86_400_000
#: How long a keeper that found nothing to do leaves it at that.
_REST_MS: Final = 60_000
#: How long what could not be compacted is left alone, while everything else goes on.
_RETRY_MS: Final = 3_600_000
#: So many superseded records go in one turn.
_REMOVED_AT_A_TIME: Final = 500

_log: Final = logs.get("housekeeping")


class Keeper:
    """Keeps one warehouse. `keep_days`: what was received longer ago goes, its counts stay; 0 keeps everything.

    `committed` hears of each record that takes the place of others: what they have counted is in the index already.
    `may_go` says of each commit and adjustment, by id, whether its files may go: with a sink, those that were sent.
    `removed` hears of each commit and adjustment that is gone. `records` are read only here, if none are given.
    """

    def __init__(
        self,
        warehouse: Path,
        clock: Clock,
        *,
        journal: Path | None = None,
        keep_days: int = 0,
        committed: Callable[[Commit], object] = lambda _: None,
        may_go: Callable[[str], bool] = lambda _: True,
        removed: Callable[[str], object] = lambda _: None,
        records: Records | None = None,
    ) -> None:
        self._committed = committed
        self._may_go = may_go
        self._removed = removed
        self._warehouse = warehouse
        self._journal = journal or warehouse.parent / "journal"
        self._clock = clock
        self._keep_days = keep_days
        self._records = records or Records(warehouse)
        self._commits = self._records.commits
        self._adjustments = self._records.adjustments
        self._erasures = Erasures(warehouse)
        self._rested_ms = 0
        #: What could not be compacted or summed up, by span or commit, and until when it is left alone.
        self._left_alone: dict[str, int] = {}

    def keep(self) -> bool:
        """Do the next thing that is due; False if nothing is, or another process keeps this warehouse now.

        Raises OSError, ValueError or duckdb.Error; nothing that counts has changed then, and the next call goes on
        with something else.
        """
        now_ms = self._clock.wall_ms()
        if 0 <= now_ms - self._rested_ms < _REST_MS:
            return False
        self._rested_ms = now_ms
        try:
            with locked(self._warehouse / KEEPER):
                # An erasure adds up what it took out when it has searched everything.
                if any(erasure.state == "marking" for erasure in self._erasures.under_way()):
                    return False
                self._rested_ms = 0
                done = self._act(now_ms)
        except LockedError:
            return False
        if not done:
            self._rested_ms = now_ms
        return done

    def _act(self, now_ms: int) -> bool:
        catalogue = self._that_may_go(self._records.catalogue())
        self._left_alone = {name: until for name, until in self._left_alone.items() if 0 <= until - now_ms <= _RETRY_MS}
        return (
            self._trim(catalogue, now_ms)
            or self._expire(catalogue, now_ms)
            or self._compact(catalogue, now_ms)
            or self._remove(now_ms)
            or self._sum_up(catalogue, now_ms)
        )

    def _that_may_go(self, catalogue: Catalogue) -> Catalogue:
        def may_go(commit: Commit) -> bool:
            return all(map(self._may_go, (commit.segment, *(found.id for found in catalogue.adjustments_of(commit)))))

        return Catalogue(self._warehouse, list(filter(may_go, catalogue.commits)), catalogue.adjustments)

    def _compact(self, catalogue: Catalogue, now_ms: int) -> bool:
        commits = [commit for commit in catalogue.commits if commit.segment not in self._left_alone]
        alone = Catalogue(self._warehouse, commits, catalogue.adjustments)
        found = to_compact(alone, hour_of(now_ms - _SETTLED_MS), but=self._left_alone)
        if found is None:
            return False
        span, commits = found
        self._left_alone[span] = now_ms + _RETRY_MS
        try:
            compacted = compact(catalogue, span, commits, now_ms=now_ms)
        except Exception:
            self._leave_damaged_alone(catalogue, span, commits, now_ms)
            raise
        self._add(compacted)
        del self._left_alone[span]
        if compacted.dropped:
            _log.warning("dead_letters_dropped", span=span, events=sum(compacted.dropped.values()))
        _log.info("compacted", span=span, commits=len(commits), rows=sum(entry.rows for entry in compacted.events))
        return True

    def _leave_damaged_alone(self, catalogue: Catalogue, span: str, commits: list[Commit], now_ms: int) -> None:
        """Leave those alone that have damaged files, if there are any, and not all of their hour or day."""
        for commit in commits:
            if any(is_damaged(self._warehouse, entry) for entry in catalogue.events_of(commit)):
                self._left_alone[commit.segment] = now_ms + _RETRY_MS
                self._left_alone.pop(span, None)

    def _sum_up(self, catalogue: Catalogue, now_ms: int) -> bool:
        commit = cells.due(catalogue, but=self._left_alone)
        if commit is not None:
            self._left_alone[commit.segment] = now_ms + _RETRY_MS
            cells.make_cells(catalogue, commit)
            del self._left_alone[commit.segment]
        return commit is not None

    def _trim(self, catalogue: Catalogue, now_ms: int) -> bool:
        """Drop what no later event can refer to from the records of one commit after the other."""
        waiting: Collection[str] | None = None
        for commit in catalogue.commits:
            name = f"record {commit.segment}"
            if name in self._left_alone or not may_be_trimmed(commit, now_ms):
                continue
            if waiting is None:
                pending = {path.name.partition(".")[0] for path in segments_in(self._journal)}
                waiting = pending | self._commits.ids()
            self._left_alone[name] = now_ms + _RETRY_MS
            less = trimmed(commit, self._warehouse, now_ms, still_there=waiting)
            if less != commit:
                self._commits.slim(less)
                return True
        return False

    def _expire(self, catalogue: Catalogue, now_ms: int) -> bool:
        """Let go of the oldest day that is too old: its files and dead letters; of its counts the month's sum stays.

        There is one record of all that has expired.
        """
        if not self._keep_days:
            return False
        last_kept = hour_of(now_ms - self._keep_days * _DAY_MS)[:10]
        old = [c for c in catalogue.commits if not c.expired and c.last_hour and c.last_hour[:10] < last_kept]
        if not old:
            return False
        day = min(commit.last_hour[:10] for commit in old)
        going = [commit for commit in old if commit.last_hour[:10] == day]
        before = [commit for commit in catalogue.commits if commit.expired]
        summed = summary(new_id(), day, [*going, *before], catalogue, now_ms=now_ms)
        there = self._commits.ids()
        self._add(
            msgspec.structs.replace(
                summed,
                expired=True,
                folded=sorted({folded for folded in summed.folded if folded in there}),
                runs=joined(run for commit in going for run in commit.runs),
                counts=added_up(_of_month(count) for count in summed.counts),
                exclusions=exclusions_added_up(_excluded_in_month(found) for found in summed.exclusions),
                losses=[],
            )
        )
        _log.info("expired", day=day, commits=len(going))
        return True

    def _add(self, commit: Commit) -> None:
        self._commits.add(commit)
        self._committed(commit)

    def _remove(self, now_ms: int) -> bool:
        """Remove files and records whose place has been taken for longer than any report runs."""
        everything = self._commits.everything()
        counting = {entry.path for commit, superseded in everything if not superseded for entry in _files(commit)}
        taken_at: dict[str, int] = {}
        for commit, _ in everything:
            for folded in commit.folded:
                taken_at.setdefault(folded, commit.committed_at_ms)
        going = (
            commit
            for commit, superseded in everything
            if superseded and now_ms - taken_at[commit.segment] > LONGEST_REPORT_MS
        )
        gone = list(islice(going, _REMOVED_AT_A_TIME))
        if gone:
            self._remove_all(gone, counting)
        cells.remove_others(self._warehouse, (commit.segment for commit, _ in everything if not commit.expired))
        return bool(gone)

    def _remove_all(self, commits: list[Commit], counting: set[str]) -> None:
        # The record goes last: as long as it is there, its files are known to be leftovers.
        ids = {commit.segment for commit in commits}
        for adjustment in self._adjustments.all():
            if adjustment.commit in ids:
                for entry in _files(adjustment):
                    (self._warehouse / entry.path).unlink(missing_ok=True)
                self._adjustments.remove(adjustment.id)
                self._removed(adjustment.id)
        for commit in commits:
            for entry in _files(commit):
                if entry.path not in counting:
                    (self._warehouse / entry.path).unlink(missing_ok=True)
            self._commits.remove(commit.segment)
            self._removed(commit.segment)


def _files(record: Commit | Adjustment) -> list[FileEntry]:
    return [*record.events, *([] if record.dead_letters is None else [record.dead_letters])]


def _of_month(count: Count) -> Count:
    return msgspec.structs.replace(count, hour=count.hour[:7])


def _excluded_in_month(found: Exclusion) -> Exclusion:
    return msgspec.structs.replace(found, hour=found.hour[:7])
