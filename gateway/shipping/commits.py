"""Commit records: one durable JSON file per shipped segment. What no commit record names does not exist.

warehouse/commits/<segment id>.json
"""

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


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """All that a segment has become."""

    version: int = 1
    segment: str
    committed_at_ms: int
    parser: int
    records: int
    events: list[FileEntry]
    dead_letters: FileEntry | None
    counts: list[Count]
    runs: list[Run]
    #: Ranges of the segment that are no records; the segment itself is then kept in quarantine/.
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
        """All commit records, oldest first."""
        return sorted((self.read(segment) for segment in self.ids()), key=lambda c: (c.committed_at_ms, c.segment))

    def add(self, commit: Commit) -> None:
        """Commit: when this returns it is durable; until then nothing has happened. Replaces no other record."""
        write_durably(self._path(commit.segment), msgspec.json.encode(commit))

    def _path(self, segment: str) -> Path:
        return self._directory / f"{segment}{_SUFFIX}"
