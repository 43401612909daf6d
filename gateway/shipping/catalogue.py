"""What counts in a warehouse at one moment: commit records, what takes their place, and what was adjusted since."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from .adjustments import Adjustment, Adjustments, Unit
from .commits import Commit, Commits, Count, Exclusion, FileEntry
from .dead_letters import DeadLetter, day_of, read_dead_letters
from .unreadable import Unreadable


@dataclass(frozen=True)
class Catalogue:
    """The records that count, oldest first."""

    warehouse: Path
    commits: list[Commit]
    adjustments: list[Adjustment]
    #: Records that cannot be read: what they say does not count.
    unreadable: list[Unreadable] = field(default_factory=list)

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
        """The Parquet files of one commit, those of adjustments included; not what was set aside."""
        adjustments = self.adjustments_of(commit)
        entries = [*commit.events, *(entry for found in adjustments for entry in found.events)]
        lost = {path for found in adjustments for path in found.lost}
        return [entry for entry in entries if entry.path not in lost] if lost else entries

    def letters_of(self, commit: Commit) -> list[FileEntry]:
        """The files of dead letters of one commit, those of adjustments included."""
        records: list[Commit | Adjustment] = [commit, *self.adjustments_of(commit)]
        return [entry for entry in (record.dead_letters for record in records) if entry is not None]

    @cached_property
    def holders(self) -> dict[str, Commit]:
        """The commit that counts for each segment, former commit and adjustment."""
        by_id = {found.segment: found for found in self.commits}
        folded = {segment: found for found in self.commits for segment in found.folded}
        return folded | by_id | {adjustment.id: by_id[adjustment.commit] for adjustment in self.adjustments}

    def letters(self, commit: Commit, *, since_day: str = "") -> Iterator[DeadLetter]:
        """The dead letters of one commit that count, those in files of `since_day` ("2026-11-24") and later.

        Of a hit that was judged again, the later word counts.
        """
        adjustments = self.adjustments_of(commit)
        records: list[Commit | Adjustment] = [commit, *adjustments]
        for place, record in enumerate(records):
            if record.dead_letters is not None and day_of(record.dead_letters.path) >= since_day:
                gone = {unit for found in adjustments[place:] for unit in found.gone_letters}
                for letter in read_dead_letters(self.warehouse / record.dead_letters.path):
                    if Unit(letter.record_id, letter.unit) not in gone:
                        yield letter

    def counts_of(self, commit: Commit) -> list[Count]:
        """What one commit has counted, and what was adjusted of it."""
        return [*commit.counts, *(change for found in self.adjustments_of(commit) for change in found.changes)]

    def reasons_of(self, commit: Commit) -> Counter[str]:
        """The dead letters of one commit by reason, adjustments and dropped ones included.

        Of records from before they were counted, the letters themselves are read.
        """
        adjustments = self.adjustments_of(commit)
        if commit.reasons is None or any(found.reasons is None and found.touches_letters for found in adjustments):
            return Counter(commit.dropped) + Counter(letter.reason for letter in self.letters(commit))
        reasons = Counter(commit.reasons)
        for found in adjustments:
            reasons.update(found.reasons or {})
        return +reasons

    def exclusions_of(self, commit: Commit) -> list[Exclusion]:
        """What one commit has excluded, adjustments included."""
        return [*commit.exclusions, *(one for found in self.adjustments_of(commit) for one in found.exclusions)]

    @cached_property
    def _by_commit(self) -> dict[str, list[Adjustment]]:
        found: dict[str, list[Adjustment]] = {}
        for adjustment in self.adjustments:
            found.setdefault(adjustment.commit, []).append(adjustment)
        return found


class Records:
    """The records of one warehouse, for whoever looks again and again: each look reads what is new."""

    def __init__(self, warehouse: Path) -> None:
        self._warehouse = warehouse
        self.commits: Final = Commits(warehouse)
        self.adjustments: Final = Adjustments(warehouse)

    def catalogue(self) -> Catalogue:
        """The records as they stand; what is added while they are read is in it or not, as a whole.

        An adjustment whose commit was committed since is left for the next reader: it counts with its commit.
        """
        adjustments = self.adjustments.all()
        commits = self.commits.all()
        ids = {commit.segment for commit in commits}
        bad = [*self.commits.unreadable, *self.adjustments.unreadable]
        return Catalogue(self._warehouse, commits, [found for found in adjustments if found.commit in ids], bad)


def read_catalogue(warehouse: Path) -> Catalogue:
    """The records as they stand, for whoever looks once."""
    return Records(warehouse).catalogue()
