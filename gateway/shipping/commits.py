"""Commit records: one durable JSON file per shipped segment. What no commit record names does not exist.

    warehouse/commits/<id>.json

The id is the segment's. A record that takes the place of others (housekeeping/compaction.py) has an id of its own and
lists theirs: once it is there, they and their files no longer count, and are removed when no report can be reading them
any more.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from .durable import write_durably

DIRECTORY: Final = "commits"
_SUFFIX: Final = ".json"


class FileEntry(msgspec.Struct, frozen=True):
    """A file of the warehouse: path relative to it, and how many rows (or lines) it has."""

    path: str
    rows: int


class Count(msgspec.Struct):
    """What became of the hits of one source and hour ("2026-11-24T09", by receipt, UTC)."""

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


class Commit(msgspec.Struct, frozen=True, kw_only=True):
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
    #: Ranges of the segments that are no records; those segments are then kept in quarantine/.
    damaged: list[tuple[int, int]]
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
    #: The ids of all commits whose place this one takes, those of which they had taken the place included.
    folded: list[str] = []
    #: The day ("2026-11-24") or hour ("2026-11-24T09") that was folded.
    span: str = ""
    #: Of the folded ones, since `rebooted` and `rate` are one segment's.
    losses: list[Loss] = []
    #: Files and dead letters are gone by age; the counts stay.
    expired: bool = False

    @property
    def last_hour(self) -> str:
        """The latest hour of receipt in it; empty if it has counted nothing."""
        return max((count.hour for count in self.counts), default="")

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
    """The commit records of one warehouse."""

    def __init__(self, warehouse: Path) -> None:
        self._directory = warehouse / DIRECTORY

    def ids(self) -> set[str]:
        """The ids of all committed segments."""
        if not self._directory.is_dir():
            return set()
        return {path.name.removesuffix(_SUFFIX) for path in self._directory.iterdir() if path.name.endswith(_SUFFIX)}

    def has(self, segment: str) -> bool:
        """Whether a segment is committed."""
        return self._path(segment).exists()

    def read(self, segment: str) -> Commit:
        """One commit record; FileNotFoundError if there is none."""
        return msgspec.json.decode(self._path(segment).read_bytes(), type=Commit)

    def all(self) -> list[Commit]:
        """All commit records that count, oldest first."""
        return [commit for commit, superseded in self.everything() if not superseded]

    def everything(self) -> list[tuple[Commit, bool]]:
        """All commit records, oldest first, and whether another one has taken their place."""
        while True:
            try:
                found = [self.read(commit) for commit in self.ids()]
            except FileNotFoundError:
                # One was removed since, so the one that took its place is there by now.
                continue
            superseded = {commit for fold in found for commit in fold.folded}
            found.sort(key=lambda c: (c.committed_at_ms, c.segment))
            return [(commit, commit.segment in superseded) for commit in found]

    def remove(self, commit: str) -> None:
        """Remove a record that does not count any more."""
        self._path(commit).unlink(missing_ok=True)

    def add(self, commit: Commit) -> None:
        """Commit: when this returns it is durable; until then nothing has happened. Replaces no other record."""
        write_durably(self._path(commit.segment), msgspec.json.encode(commit))

    def _path(self, segment: str) -> Path:
        return self._directory / f"{segment}{_SUFFIX}"
