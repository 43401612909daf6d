"""Commit records: one durable JSON file per shipped segment. What no commit record names does not exist.

    warehouse/commits/<id>.json

The id is the segment's. A record that takes the place of others (housekeeping/compaction.py) has an id of its own and
lists theirs: once it is there, they and their files no longer count, and are removed when no report can be reading them
any more.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from .durable import write_durably
from .unreadable import READ_ERRORS, Unreadable, unreadable

DIRECTORY: Final = "commits"
_SUFFIX: Final = ".json"


class FileEntry(msgspec.Struct, frozen=True):
    """A file of the warehouse: path relative to it, and how many rows (or lines) it has."""

    path: str
    rows: int


class Count(msgspec.Struct, omit_defaults=True):
    """What became of the hits of one source and hour ("2026-11-24T09", by receipt, UTC).

    Of hours whose events are gone by age only the sum of their month ("2026-11") is kept.
    """

    source: str
    hour: str
    received: int = 0
    good: int = 0
    bad: int = 0
    duplicate: int = 0
    excluded: int = 0
    pending: int = 0


class Exclusion(msgspec.Struct, frozen=True):
    """How many events of one source and hour a policy kept out of the warehouse, and why; part of `excluded` above."""

    source: str
    hour: str
    reason: str
    events: int


class Run(msgspec.Struct, frozen=True):
    """Records `first` to `last` of one journal (16 hex digits): ids that later copies are known by."""

    journal: str
    first: int
    last: int


class Loss(msgspec.Struct, frozen=True):
    """A power loss: after `after_ms` some 100 ms of hits may be missing, which came at `rate` a second before."""

    segment: str
    after_ms: int | None
    records: int
    rate: int


class Commit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a segment has become, or several."""

    version: int = 1
    segment: str
    committed_at_ms: int
    parser: int
    records: int
    events: list[FileEntry]
    dead_letters: FileEntry | None
    counts: list[Count]
    runs: list[Run]
    #: Ranges of the segment that are no records; it is then kept in quarantine/.
    damaged: list[tuple[int, int]]
    #: The number and bytes of those of the folded ones.
    damage: tuple[int, int] = (0, 0)
    torn_bytes: int
    #: Whether its writer finished it; False after a kill or a power loss.
    finished: bool
    #: Whether the machine was started anew between writing and shipping without a finish. With `fsync=interval` hits
    #: answered up to 100 ms after `last_received_at_ms` may then be missing.
    rebooted: bool
    last_received_at_ms: int | None
    #: Hits a second just before that.
    rate: int = 0
    exclusions: list[Exclusion] = []
    #: The ids of all commits whose place this one takes, those of which they had taken the place included; dropped once
    #: nothing can refer to them any more (housekeeping/trim.py), as are `runs`.
    folded: list[str] = []
    #: How many segments they were; 0 in records from before this was counted: then as many as `folded` has.
    segments: int = 0
    #: The day ("2026-11-24") or hour ("2026-11-24T09") that was folded.
    span: str = ""
    #: Of the folded ones, since `rebooted` and `rate` are one segment's.
    losses: list[Loss] = []
    #: Files and dead letters are gone by age; the counts stay.
    expired: bool = False
    #: Dead letters by reason, those of `dropped` included; None in records from before they were counted.
    reasons: dict[str, int] | None = None
    #: Dead letters by reason of which the number alone was kept: more than an hour or a day may have.
    dropped: dict[str, int] = {}

    @property
    def last_hour(self) -> str:
        """The latest hour of receipt in it; empty if it has counted nothing."""
        return max((count.hour for count in self.counts), default="")

    @property
    def segment_count(self) -> int:
        """How many segments are in it."""
        return self.segments or len(self.folded) or 1

    @property
    def damaged_ranges(self) -> int:
        """How many ranges of its segments were no records."""
        return self.damage[0] + len(self.damaged)

    @property
    def damaged_bytes(self) -> int:
        """How many bytes those were."""
        return self.damage[1] + sum(end - start for start, end in self.damaged)

    def power_losses(self) -> list[Loss]:
        """Each segment in it that was cut off by the machine."""
        own = Loss(self.segment, self.last_received_at_ms, self.records, self.rate)
        return [*self.losses, own] if self.rebooted else self.losses


def added_up(counts: Iterable[Count]) -> list[Count]:
    """Counts by source and hour, each once, in order."""
    sums: dict[tuple[str, str], Count] = {}
    for count in counts:
        total = sums.setdefault((count.hour, count.source), Count(count.source, count.hour))
        for field in ("received", "good", "bad", "duplicate", "excluded", "pending"):
            setattr(total, field, getattr(total, field) + getattr(count, field))
    return [sums[key] for key in sorted(sums)]


class Commits:
    """The commit records of one warehouse. Each is read once, so what a look costs depends on what is new since."""

    def __init__(self, warehouse: Path) -> None:
        self._directory = warehouse / DIRECTORY
        self._known: dict[str, Commit] = {}
        #: The records that could not be read at the last look at all of them.
        self.unreadable: list[Unreadable] = []
        #: How many records and bytes were read from files so far.
        self.records_read = 0
        self.bytes_read = 0

    def ids(self) -> set[str]:
        """The ids of all committed segments."""
        if not self._directory.is_dir():
            return set()
        with os.scandir(self._directory) as found:
            return {entry.name.removesuffix(_SUFFIX) for entry in found if entry.name.endswith(_SUFFIX)}

    def has(self, segment: str) -> bool:
        """Whether a segment is committed."""
        return self._path(segment).exists()

    def read(self, segment: str) -> Commit:
        """One commit record, from its file; FileNotFoundError if there is none."""
        data = self._path(segment).read_bytes()
        self.records_read += 1
        self.bytes_read += len(data)
        return msgspec.json.decode(data, type=Commit)

    def each(self) -> Iterator[Commit]:
        """All commit records that can be read, in no order, superseded ones too; holds one at a time."""
        self.unreadable = []
        for segment in self.ids():
            try:
                yield self.read(segment)
            except FileNotFoundError:
                continue
            except READ_ERRORS as error:
                self.unreadable.append(unreadable(f"{DIRECTORY}/{segment}{_SUFFIX}", error))

    def all(self) -> list[Commit]:
        """All commit records that count, oldest first."""
        return [commit for commit, superseded in self.everything() if not superseded]

    def everything(self) -> list[tuple[Commit, bool]]:
        """All commit records that can be read, oldest first, and whether another one has taken their place."""
        while True:
            found: dict[str, Commit] = {}
            bad: list[Unreadable] = []
            try:
                for one in self.ids():
                    try:
                        found[one] = self._known.get(one) or self.read(one)
                    except FileNotFoundError:
                        raise
                    except READ_ERRORS as error:
                        bad.append(unreadable(f"{DIRECTORY}/{one}{_SUFFIX}", error))
            except FileNotFoundError:
                # One was removed since, so the one that took its place is there by now.
                continue
            self._known, self.unreadable = found, bad
            superseded = {folded for commit in found.values() for folded in commit.folded if folded in found}
            commits = sorted(found.values(), key=lambda c: (c.committed_at_ms, c.segment))
            return [(commit, commit.segment in superseded) for commit in commits]

    def remove(self, commit: str) -> None:
        """Remove a record that does not count any more."""
        self._path(commit).unlink(missing_ok=True)

    def add(self, commit: Commit) -> None:
        """Commit: when this returns it is durable; until then nothing has happened. Replaces no other record."""
        write_durably(self._path(commit.segment), msgspec.json.encode(commit))

    def slim(self, commit: Commit) -> None:
        """Write a record again that says the same of its events, and less of what it was made of."""
        self.add(commit)
        self._known.pop(commit.segment, None)

    def _path(self, segment: str) -> Path:
        return self._directory / f"{segment}{_SUFFIX}"
