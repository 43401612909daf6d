"""Keeping a warehouse small: folds and sums up what is over, lets go of what is too old, removes what counts no more.

One act at a time, each short, so that whoever calls it can ship in between; one process at a time, by a lock.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from .. import logs
from ..clock import Clock
from ..ids import new_id
from ..shipping import cells
from ..shipping.adjustments import Adjustment, Adjustments
from ..shipping.catalogue import Catalogue, read_catalogue
from ..shipping.commits import Commit, Commits, FileEntry
from ..shipping.erasures import Erasures
from ..shipping.locks import KEEPER, LockedError, locked
from ..shipping.tally import hour_of
from .compaction import compact, summary, to_compact

#: No report runs for longer, in milliseconds; files that no longer count are kept for so long.
LONGEST_REPORT_MS: Final = 15 * 60_000
#: An hour is over this long after its end: what was received in it is shipped by then, unless there is a backlog.
_SETTLED_MS: Final = 10 * 60_000
_DAY_MS: Final = 86_400_000
#: How long a keeper that found nothing to do leaves it at that.
_REST_MS: Final = 60_000

_log: Final = logs.get("shipping")


class Keeper:
    """Keeps one warehouse. `keep_days`: what was received longer ago goes, its counts stay; 0 keeps everything.

    `committed` hears of each record that takes the place of others: what they have counted is in the index already.
    `may_go` says of each commit and adjustment, by id, whether its files may go: with a sink, those that were sent.
    """

    def __init__(
        self,
        warehouse: Path,
        clock: Clock,
        *,
        keep_days: int = 0,
        committed: Callable[[Commit], object] = lambda _: None,
        may_go: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._committed = committed
        self._may_go = may_go
        self._warehouse = warehouse
        self._clock = clock
        self._keep_days = keep_days
        self._commits = Commits(warehouse)
        self._adjustments = Adjustments(warehouse)
        self._erasures = Erasures(warehouse)
        self._rested_ms = 0

    def keep(self) -> bool:
        """Do the next thing that is due; False if nothing is, or another process keeps this warehouse now.

        Raises OSError or duckdb.Error; nothing that counts has changed then.
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
                catalogue = self._that_may_go(read_catalogue(self._warehouse))
                done = (
                    self._expire(catalogue, now_ms)
                    or self._compact(catalogue, now_ms)
                    or self._remove(now_ms)
                    or self._sum_up(catalogue)
                )
        except LockedError:
            return False
        if done:
            self._rested_ms = 0
        return done

    def _that_may_go(self, catalogue: Catalogue) -> Catalogue:
        def may_go(commit: Commit) -> bool:
            return all(map(self._may_go, (commit.segment, *(found.id for found in catalogue.adjustments_of(commit)))))

        return Catalogue(self._warehouse, list(filter(may_go, catalogue.commits)), catalogue.adjustments)

    def _compact(self, catalogue: Catalogue, now_ms: int) -> bool:
        found = to_compact(catalogue, hour_of(now_ms - _SETTLED_MS))
        if found is None:
            return False
        span, commits = found
        folded = compact(catalogue, span, commits, now_ms=now_ms)
        self._add(folded)
        _log.info("folded", span=span, commits=len(commits), rows=sum(entry.rows for entry in folded.events))
        return True

    def _sum_up(self, catalogue: Catalogue) -> bool:
        commit = cells.due(catalogue)
        if commit is not None:
            cells.make_cells(catalogue, commit)
        return commit is not None

    def _expire(self, catalogue: Catalogue, now_ms: int) -> bool:
        """Let go of the oldest day that is too old: its files and dead letters, never its counts."""
        if not self._keep_days:
            return False
        last_kept = hour_of(now_ms - self._keep_days * _DAY_MS)[:10]
        old = [c for c in catalogue.commits if not c.expired and c.last_hour and c.last_hour[:10] < last_kept]
        if not old:
            return False
        day = min(commit.last_hour[:10] for commit in old)
        of_day = [commit for commit in old if commit.last_hour[:10] == day]
        summed = summary(new_id(), day, of_day, catalogue, now_ms=now_ms)
        self._add(msgspec.structs.replace(summed, expired=True))
        _log.info("expired", day=day, commits=len(of_day))
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
        done = False
        for commit, superseded in everything:
            if superseded and now_ms - taken_at[commit.segment] > LONGEST_REPORT_MS:
                self._remove_one(commit, counting)
                done = True
        cells.remove_others(self._warehouse, (commit.segment for commit, _ in everything if not commit.expired))
        return done

    def _remove_one(self, commit: Commit, counting: set[str]) -> None:
        # The record goes last: as long as it is there, its files are known to be leftovers.
        for adjustment in self._adjustments.all():
            if adjustment.commit == commit.segment:
                for entry in _files(adjustment):
                    (self._warehouse / entry.path).unlink(missing_ok=True)
                self._adjustments.remove(adjustment.id)
        for entry in _files(commit):
            if entry.path not in counting:
                (self._warehouse / entry.path).unlink(missing_ok=True)
        self._commits.remove(commit.segment)


def _files(record: Commit | Adjustment) -> list[FileEntry]:
    return [*record.events, *([] if record.dead_letters is None else [record.dead_letters])]
