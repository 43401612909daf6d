"""Adjustment records: what turned out later about events that are committed, one durable JSON file each.

    warehouse/adjustments/<id>.json

Each belongs to one commit record and counts as long as that one does; folding works it in. Duplicates that were found
when warehouses were put together leave `good` for `duplicate`; dead letters that can be read by now leave `bad`, and
their rows are in a file of the adjustment's own; what was erased leaves `good` or `bad` for `excluded`.
"""

import os
from pathlib import Path
from typing import Final, Literal

import msgspec

from .commits import Count, Exclusion, FileEntry
from .durable import write_durably
from .unreadable import READ_ERRORS, Unreadable, unreadable

DIRECTORY: Final = "adjustments"
_SUFFIX: Final = ".json"


class Unit(msgspec.Struct, frozen=True):
    """An event for ever: its record's id (32 hex digits) and its number in the hit."""

    record_id: str
    unit: int


class Place(msgspec.Struct, frozen=True):
    """Where an event, or a whole hit (unit -1), stood in the journal."""

    segment: str
    offset: int
    unit: int


class Duplicate(msgspec.Struct, frozen=True):
    """An event that is another one's duplicate, and where that other one stood."""

    loser: Unit
    winner: Place


class Adjustment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change to what a commit record says."""

    version: int = 1
    id: str
    made_at_ms: int
    #: The commit record it belongs to.
    commit: str
    why: Literal["duplicates", "replay", "erasure", "damage"]
    #: The erasure it was made for.
    erasure: str | None = None
    #: What is added to the counts; most of these are negative somewhere.
    changes: list[Count]
    exclusions: list[Exclusion] = []
    #: Rows, and dead letters, that count besides.
    events: list[FileEntry] = []
    dead_letters: FileEntry | None = None
    #: Rows, and dead letters, that count no more.
    gone_rows: list[Unit] = []
    gone_letters: list[Unit] = []
    duplicates: list[Duplicate] = []
    #: Files of the commit, or of its adjustments, that could not be read and were set aside; and how many of their rows
    #: did not count before that.
    lost: list[str] = []
    lost_gone_rows: int = 0
    #: What is added to the dead letters by reason, mostly negative; None in records from before they were counted.
    reasons: dict[str, int] | None = None

    @property
    def touches_letters(self) -> bool:
        """Whether it says anything of dead letters."""
        return bool(self.gone_letters) or self.dead_letters is not None


class Adjustments:
    """The adjustment records of one warehouse."""

    def __init__(self, warehouse: Path) -> None:
        self._directory = warehouse / DIRECTORY
        self._known: dict[str, Adjustment] = {}
        #: The records that could not be read at the last look at all of them.
        self.unreadable: list[Unreadable] = []

    def ids(self) -> set[str]:
        """The ids of all adjustments."""
        if not self._directory.is_dir():
            return set()
        with os.scandir(self._directory) as found:
            return {entry.name.removesuffix(_SUFFIX) for entry in found if entry.name.endswith(_SUFFIX)}

    def all(self) -> list[Adjustment]:
        """All adjustment records that can be read, oldest first; each is read from its file once."""
        found: dict[str, Adjustment] = {}
        self.unreadable = []
        for adjustment in self.ids():
            try:
                known = self._known.get(adjustment)
                found[adjustment] = known or msgspec.json.decode(self._path(adjustment).read_bytes(), type=Adjustment)
            except FileNotFoundError:
                # Its commit does not count any more either.
                continue
            except READ_ERRORS as error:
                self.unreadable.append(unreadable(f"{DIRECTORY}/{adjustment}{_SUFFIX}", error))
        self._known = found
        return sorted(found.values(), key=lambda a: (a.made_at_ms, a.id))

    def add(self, adjustment: Adjustment) -> None:
        """When this returns it is durable and counts; until then nothing has happened."""
        write_durably(self._path(adjustment.id), msgspec.json.encode(adjustment))

    def remove(self, adjustment: str) -> None:
        """Remove a record whose commit does not count any more."""
        self._path(adjustment).unlink(missing_ok=True)

    def _path(self, adjustment: str) -> Path:
        return self._directory / f"{adjustment}{_SUFFIX}"
