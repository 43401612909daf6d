"""What counts in a warehouse at one moment: commit records, what takes their place, and what was adjusted since."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .adjustments import Adjustment, Adjustments
from .commits import Commit, Commits, FileEntry


@dataclass(frozen=True)
class Catalogue:
    """The records that count, oldest first."""

    warehouse: Path
    commits: list[Commit]
    adjustments: list[Adjustment]

    @cached_property
    def gone_rows(self) -> set[tuple[bytes, int]]:
        """Record id and unit of rows that stand in files and do not count."""
        return {(bytes.fromhex(row.record_id), row.unit) for found in self.adjustments for row in found.gone_rows}

    @cached_property
    def gone_letters(self) -> set[tuple[str, int]]:
        """Record id and unit of dead letters that stand in files and do not count."""
        return {(letter.record_id, letter.unit) for found in self.adjustments for letter in found.gone_letters}

    def event_files(self) -> Iterator[FileEntry]:
        """Every Parquet file."""
        for commit in self.commits:
            yield from commit.events
        for adjustment in self.adjustments:
            yield from adjustment.events

    def letter_files(self) -> Iterator[FileEntry]:
        """Every file of dead letters."""
        for commit in self.commits:
            if commit.dead_letters is not None:
                yield commit.dead_letters

    def adjustments_of(self, commit: Commit) -> list[Adjustment]:
        """What was adjusted of one commit."""
        return self._by_commit.get(commit.segment, [])

    @cached_property
    def _by_commit(self) -> dict[str, list[Adjustment]]:
        found: dict[str, list[Adjustment]] = {}
        for adjustment in self.adjustments:
            found.setdefault(adjustment.commit, []).append(adjustment)
        return found


def read_catalogue(warehouse: Path) -> Catalogue:
    """The records as they stand; what is added while they are read is in it or not, as a whole.

    An adjustment whose commit was committed since is left for the next reader: it counts with its commit.
    """
    adjustments = Adjustments(warehouse).all()
    commits = Commits(warehouse).all()
    ids = {commit.segment for commit in commits}
    return Catalogue(warehouse, commits, [found for found in adjustments if found.commit in ids])
