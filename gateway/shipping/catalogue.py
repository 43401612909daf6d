"""What counts in a warehouse at one moment: commit records, what takes their place, and what was adjusted since."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .adjustments import Adjustment, Adjustments, Unit
from .commits import Commit, Commits, Count, Exclusion, FileEntry
from .dead_letters import DeadLetter, read_dead_letters


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

    def event_files(self) -> Iterator[FileEntry]:
        """Every Parquet file."""
        for commit in self.commits:
            yield from self.events_of(commit)

    def letter_files(self) -> Iterator[FileEntry]:
        """Every file of dead letters."""
        for commit in self.commits:
            yield from self.letters_of(commit)

    def adjustments_of(self, commit: Commit) -> list[Adjustment]:
        """What was adjusted of one commit."""
        return self._by_commit.get(commit.segment, [])

    def events_of(self, commit: Commit) -> list[FileEntry]:
        """The Parquet files of one commit, those of adjustments included."""
        return [*commit.events, *(entry for found in self.adjustments_of(commit) for entry in found.events)]

    def letters_of(self, commit: Commit) -> list[FileEntry]:
        """The files of dead letters of one commit, those of adjustments included."""
        records: list[Commit | Adjustment] = [commit, *self.adjustments_of(commit)]
        return [entry for entry in (record.dead_letters for record in records) if entry is not None]

    def letters(self, commit: Commit) -> Iterator[DeadLetter]:
        """The dead letters of one commit that count. Of a hit that was judged again, the later word counts."""
        adjustments = self.adjustments_of(commit)
        records: list[Commit | Adjustment] = [commit, *adjustments]
        for place, record in enumerate(records):
            if record.dead_letters is not None:
                gone = {unit for found in adjustments[place:] for unit in found.gone_letters}
                for letter in read_dead_letters(self.warehouse / record.dead_letters.path):
                    if Unit(letter.record_id, letter.unit) not in gone:
                        yield letter

    def counts_of(self, commit: Commit) -> list[Count]:
        """What one commit has counted, and what was adjusted of it."""
        return [*commit.counts, *(change for found in self.adjustments_of(commit) for change in found.changes)]

    def exclusions_of(self, commit: Commit) -> list[Exclusion]:
        """What one commit has excluded, adjustments included."""
        return [*commit.exclusions, *(one for found in self.adjustments_of(commit) for one in found.exclusions)]

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
