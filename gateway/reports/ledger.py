"""The ledger: received = good + bad + duplicate + excluded + pending, by source and hour, exact after any crash.

It is the sum of all commit and adjustment records, checked against the rows of the files they name, and a scan of what
is pending.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..shipping.catalogue import Catalogue, read_catalogue
from ..shipping.commits import Commit, Count, FileEntry, Loss
from ..shipping.dead_letters import UNREADABLE_LETTER, read_dead_letters
from ..shipping.parquet import row_count
from ..shipping.pending import pending_counts
from ..shipping.run import JOURNAL, WAREHOUSE

#: The fields of a Count that add up to `received`.
OUTCOMES: Final = ("good", "bad", "duplicate", "excluded", "pending")


@dataclass(slots=True)
class Ledger:
    """The sums, and everything that does not add up; `problems` is empty if all is well."""

    rows: list[Count] = field(default_factory=list)
    segments: int = 0
    #: Events by the reason for which a policy kept them out of the warehouse.
    excluded: Counter[str] = field(default_factory=Counter)
    #: Dead letters by reason of which the number alone was kept (housekeeping/garbage.py); part of `bad`.
    dropped: Counter[str] = field(default_factory=Counter)
    damaged_ranges: int = 0
    damaged_bytes: int = 0
    power_losses: list[Loss] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def adds_up(self) -> bool:
        """Whether every hit is accounted for."""
        return not self.problems

    @property
    def total(self) -> Count:
        """The sum of all rows."""
        total = Count("all", "")
        for row in self.rows:
            _add(total, row)
        return total


def ledger(data_dir: Path, *, reads_files: bool = True) -> Ledger:
    """The ledger of a data directory, also while everything runs, also of an empty one.

    With `reads_files` every file is opened and counted, every dead letter read; without, it is enough that a file is
    there, and the records' own numbers are compared, which takes a fraction of a second for years.

    Pending segments are read before the commit records: one that is committed in between is then found in both and
    counted as committed.
    """
    pending = pending_counts(data_dir / JOURNAL)
    catalogue = read_catalogue(data_dir / WAREHOUSE)
    result = Ledger()
    result.problems += map(str, catalogue.unreadable)
    sums: dict[tuple[str, str], Count] = {}
    for commit in catalogue.commits:
        result.segments += commit.segment_count
        if not commit.expired:
            _check(commit, catalogue, result, reads_files=reads_files)
        for count in catalogue.counts_of(commit):
            _add(sums.setdefault((count.source, count.hour), Count(count.source, count.hour)), count)
        for exclusion in catalogue.exclusions_of(commit):
            result.excluded[exclusion.reason] += exclusion.events
        result.dropped.update(commit.dropped)
        result.damaged_ranges += commit.damaged_ranges
        result.damaged_bytes += commit.damaged_bytes
        result.power_losses += [_measured(loss, catalogue.commits) for loss in commit.power_losses()]
        for segment in (commit.segment, *commit.folded):
            pending.segments.pop(segment, None)
    for counts in pending.segments.values():
        for count in counts:
            row = sums.setdefault((count.source, count.hour), Count(count.source, count.hour))
            row.pending += count.pending
            row.received += count.pending
    result.rows = [sums[key] for key in sorted(sums, key=lambda key: (key[1], key[0]))]
    result.problems += [
        f"{row.source} {row.hour}: received {row.received}, accounted for {_accounted(row)}"
        for row in result.rows
        if row.received != _accounted(row)
    ]
    return result


def _add(total: Count, row: Count) -> None:
    total.received += row.received
    for outcome in OUTCOMES:
        setattr(total, outcome, getattr(total, outcome) + getattr(row, outcome))


def _accounted(row: Count) -> int:
    return sum(int(getattr(row, outcome)) for outcome in OUTCOMES)


def _measured(loss: Loss, commits: list[Commit]) -> Loss:
    """A power loss with the higher rate of its own segment and of the record next in time.

    A segment that was just begun tells little by itself. It was made while the one before still took hits, so their
    times may overlap.
    """
    after_ms = loss.after_ms or 0
    others = (
        (abs((commit.last_received_at_ms or 0) - after_ms), commit.rate)
        for commit in commits
        if commit.records and commit.segment != loss.segment
    )
    return Loss(loss.segment, loss.after_ms, loss.records, max(loss.rate, min(others, default=(0, 0))[1]))


def _check(commit: Commit, catalogue: Catalogue, result: Ledger, *, reads_files: bool) -> None:
    """Compare a commit record, and what was adjusted of it, with the files they name."""
    count_rows, count_lines = (_rows, _lines) if reads_files else (_told, _told)
    counts, adjustments = catalogue.counts_of(commit), catalogue.adjustments_of(commit)
    good, bad, excluded = (sum(getattr(count, name) for count in counts) for name in ("good", "bad", "excluded"))
    reasons = sum(exclusion.events for exclusion in catalogue.exclusions_of(commit))
    if reasons != excluded:
        result.problems.append(f"segment {commit.segment}: {excluded} hits excluded, reasons told for {reasons}")
    rows = sum(count_rows(entry, catalogue.warehouse, result) for entry in catalogue.events_of(commit))
    rows -= sum(len(found.gone_rows) - found.lost_gone_rows for found in adjustments)
    if rows != good:
        result.problems.append(f"segment {commit.segment}: {good} good hits committed, {rows} rows found")
    letters = sum(count_lines(entry, catalogue.warehouse, result) for entry in catalogue.letters_of(commit))
    letters += sum(commit.dropped.values()) - sum(len(found.gone_letters) for found in adjustments)
    if letters != bad:
        result.problems.append(f"segment {commit.segment}: {bad} bad hits committed, {letters} dead letters found")


def _told(entry: FileEntry, warehouse: Path, result: Ledger) -> int:
    if not (warehouse / entry.path).exists():
        result.problems.append(f"{entry.path}: is not there")
    return entry.rows


def _rows(entry: FileEntry, warehouse: Path, result: Ledger) -> int:
    try:
        return row_count(warehouse / entry.path)
    except (OSError, ValueError) as error:
        result.problems.append(f"{entry.path}: cannot be read ({type(error).__name__})")
        return 0


def _lines(entry: FileEntry, warehouse: Path, result: Ledger) -> int:
    try:
        reasons = Counter(letter.reason for letter in read_dead_letters(warehouse / entry.path))
        if reasons[UNREADABLE_LETTER]:
            result.problems.append(f"{entry.path}: cannot be read ({reasons[UNREADABLE_LETTER]} lines)")
        return reasons.total()
    except (OSError, ValueError) as error:
        result.problems.append(f"{entry.path}: cannot be read ({type(error).__name__})")
        return 0
