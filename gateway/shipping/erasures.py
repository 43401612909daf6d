"""Erasures: whom to forget, as keyed hashes, and how far that is; one durable file each.

    warehouse/erasures/<id>.json

Once the file is there, every shipper leaves out what the person's hits say from its next segment on, also what a
tracker sends again: whatever is received up to `until_ms`. The eraser
(housekeeping/eraser.py) takes care of what is there already.
"""

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from .durable import write_durably
from .pseudonyms import Kind, Pseudonyms
from .unreadable import READ_ERRORS, Unreadable, unreadable

DIRECTORY: Final = "erasures"
_SUFFIX: Final = ".json"

#: How long after the request what comes is taken for something old that was sent again; longer than any tracker tries.
ECHO_MS: Final = 30 * 86_400_000

#: What is being done: shippers finish what they have begun; rows are found and stop counting; files are written anew;
#: the old ones go when no report can be reading them; done.
State: TypeAlias = Literal["waiting", "marking", "rewriting", "leaving", "complete"]


class Subject(msgspec.Struct, frozen=True):
    """A name of the person's: its kind, and its pseudonym."""

    kind: Kind
    pseudonym: str


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """One request, and what has become of it."""

    version: int = 1
    id: str
    requested_at_ms: int
    subjects: list[Subject]
    state: State = "waiting"
    #: Segments that were in the journal when the request was there; None before they were listed.
    segments: list[str] | None = None
    #: Events that no longer count, dead letters, and files that were written anew for it.
    events: int = 0
    dead_letters: int = 0
    #: Commit records whose files are still to go.
    leaving: list[str] = []
    #: Files that could not be read when they were searched: nobody knows whether something of theirs is there.
    unread: list[str] = []
    completed_at_ms: int | None = None

    @property
    def until_ms(self) -> int:
        """What is received before this is left out."""
        return self.requested_at_ms + ECHO_MS


def subjects(
    pseudonyms: Pseudonyms,
    *,
    users: Iterable[str] = (),
    visitors: Iterable[bytes] = (),
    trackers: Iterable[str] = (),
    recipients: Iterable[str] = (),
) -> list[Subject]:
    """The subjects of a person's names: the website's for the account, visitor cookies' ids, trackers' pseudonyms, and
    whom mails went to.
    """
    return [
        *(Subject("user", pseudonyms.of("user", name.encode())) for name in users),
        *(Subject("cookie", pseudonyms.of("cookie", name)) for name in visitors),
        *(Subject("tracker", pseudonyms.of("tracker", name.encode())) for name in trackers),
        *(Subject("recipient", pseudonyms.of("recipient", name.encode())) for name in recipients),
    ]


class Erasures:
    """The erasures of one warehouse."""

    def __init__(self, warehouse: Path) -> None:
        self._directory = warehouse / DIRECTORY
        #: Those that were complete when they were read, by id: inode and time of change of their file.
        self._complete: dict[str, tuple[int, int]] = {}
        #: By id, those that could not be read when they were looked at last.
        self.unreadable: dict[str, Unreadable] = {}

    def ids(self) -> list[str]:
        """The ids of all erasures."""
        if not self._directory.is_dir():
            return []
        return [path.name.removesuffix(_SUFFIX) for path in self._directory.iterdir() if path.name.endswith(_SUFFIX)]

    def read(self, erasure: str) -> Erasure | None:
        """One erasure; None if there is none of that id, or none that can be read: asked again, it is written anew."""
        self.unreadable.pop(erasure, None)
        try:
            return msgspec.json.decode(self._path(erasure).read_bytes(), type=Erasure)
        except FileNotFoundError:
            return None
        except READ_ERRORS as error:
            self.unreadable[erasure] = unreadable(f"{DIRECTORY}/{erasure}{_SUFFIX}", error)
            return None

    def all(self) -> list[Erasure]:
        """All of them, oldest first."""
        found = [erasure for one in self.ids() if (erasure := self.read(one)) is not None]
        return sorted(found, key=lambda erasure: (erasure.requested_at_ms, erasure.id))

    def under_way(self) -> list[Erasure]:
        """Those that are not complete, oldest first. Complete ones are read once, not at each call."""
        found = []
        for one, stamp in self.stamps().items():
            if self._complete.get(one) != stamp and (erasure := self.read(one)) is not None:
                if erasure.state == "complete":
                    self._complete[one] = stamp
                else:
                    found.append(erasure)
        return sorted(found, key=lambda erasure: (erasure.requested_at_ms, erasure.id))

    def stamps(self) -> dict[str, tuple[int, int]]:
        """The ids of all erasures, and what changes with their files: inode and time of change."""
        found = {}
        for one in self.ids():
            with contextlib.suppress(FileNotFoundError):
                status = self._path(one).stat()
                found[one] = status.st_ino, status.st_mtime_ns
        return found

    def ask(self, erasure: str, named: Sequence[Subject], *, requested_at_ms: int) -> Erasure:
        """A request, durable when this returns; one of an id that is known is asked again, and searched for again.

        An older request than the one that is known changes nothing. Subjects of before stay.
        """
        known = self.read(erasure)
        if known is None:
            asked = Erasure(id=erasure, requested_at_ms=requested_at_ms, subjects=list(named))
        elif known.requested_at_ms >= requested_at_ms:
            return known
        else:
            asked = msgspec.structs.replace(
                known,
                requested_at_ms=requested_at_ms,
                subjects=list(dict.fromkeys((*known.subjects, *named))),
                state="waiting",
                segments=None,
                leaving=[],
                completed_at_ms=None,
            )
        self.write(asked)
        return asked

    def write(self, erasure: Erasure) -> None:
        """When this returns it is durable."""
        write_durably(self._path(erasure.id), msgspec.json.encode(erasure))

    def begin_again(self) -> None:
        """Search for all of them once more: something came into the warehouse that they have not seen."""
        for erasure in self.all():
            again = msgspec.structs.replace(erasure, state="waiting", segments=None, completed_at_ms=None)
            if again != erasure:
                self.write(again)

    def forget(self, before_ms: int) -> None:
        """Drop those that were complete before that: nothing of that age is kept anywhere any more."""
        for erasure in self.all():
            if erasure.completed_at_ms is not None and max(erasure.completed_at_ms, erasure.until_ms) < before_ms:
                self._path(erasure.id).unlink(missing_ok=True)

    def _path(self, erasure: str) -> Path:
        return self._directory / f"{erasure}{_SUFFIX}"


class Erased:
    """Who was erased, for shippers: follows the files, each of which is read once, and again if it was asked again."""

    def __init__(self, erasures: Erasures) -> None:
        self._erasures = erasures
        #: Inode and time of change of each file that was read.
        self._known: dict[str, tuple[int, int]] = {}
        #: By kind and pseudonym: what is received before that is left out.
        self._until_ms: dict[tuple[Kind, str], int] = {}

    def follow(self) -> None:
        """Read what was requested since."""
        for one, stamp in self._erasures.stamps().items():
            if self._known.get(one) != stamp and (erasure := self._erasures.read(one)) is not None:
                self._known[one] = stamp
                for subject in erasure.subjects:
                    key = subject.kind, subject.pseudonym
                    self._until_ms[key] = max(erasure.until_ms, self._until_ms.get(key, 0))

    def __bool__(self) -> bool:
        return bool(self._until_ms)

    def has(self, kind: Kind, pseudonym: str | None, received_at_ms: int) -> bool:
        """Whether what was received then from the one of this pseudonym is to be left out."""
        return pseudonym is not None and received_at_ms < self._until_ms.get((kind, pseudonym), 0)
