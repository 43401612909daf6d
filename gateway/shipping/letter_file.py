"""A file of dead letters that is written while they are found, so that few of them wait in memory."""

from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from .commits import FileEntry
from .dead_letters import DeadLetter, path_of
from .durable import TEMPORARY_SUFFIX, make_directory, private_file, sync
from .tally import hour_of

#: Lines that wait in memory until they are written, in bytes.
_MOST_BYTES: Final = 8 * 1024 * 1024


class LetterFile:
    """The dead letters of one segment or replay, under a temporary name until `write`."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._rows = 0
        #: The letters so far, by reason.
        self.reasons: Counter[str] = Counter()
        self._day = ""
        self._has_begun = False

    def add(self, letter: DeadLetter) -> None:
        """Take a letter; the first one's day is the file's."""
        self._day = self._day or hour_of(letter.received_at_ms)[:10]
        line = msgspec.json.encode(letter) + b"\n"
        self._lines.append(line)
        self._size_bytes += len(line)
        self._rows += 1
        self.reasons[letter.reason] += 1

    def spill(self, warehouse: Path, name: str) -> None:
        """Write what waits, if it is much. Raises OSError."""
        if self._size_bytes >= _MOST_BYTES:
            self._append(warehouse / self._path(name))

    def write(self, warehouse: Path, name: str) -> FileEntry | None:
        """Make the file durable, with its folders; None if there are no letters. Raises OSError."""
        if not self._rows:
            return None
        path = warehouse / self._path(name)
        self._append(path)
        temporary = _temporary(path)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
        return FileEntry(self._path(name), self._rows)

    def _path(self, name: str) -> str:
        return path_of(self._day, name)

    def _append(self, path: Path) -> None:
        make_directory(path.parent)
        private_file(_temporary(path))
        # The first time whatever a shipper that died has left there is overwritten.
        with _temporary(path).open("ab" if self._has_begun else "wb") as file:
            file.writelines(self._lines)
        self._has_begun = True
        self._lines, self._size_bytes = [], 0


def _temporary(path: Path) -> Path:
    return path.with_name(path.name + TEMPORARY_SUFFIX)
