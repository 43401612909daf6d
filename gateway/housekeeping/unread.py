"""Files that erasures have to search and that cannot be read: looked at again when they change, and now and then."""

from pathlib import Path
from typing import Final, TypeAlias

from ..clock import Clock
from ..shipping import dead_letters
from ..shipping.catalogue import Catalogue
from ..shipping.commits import FileEntry
from ..shipping.parquet import is_damaged

#: A file that does not change is looked at as often, and so the whole warehouse is searched no oftener for it.
_RETRY_NS: Final = 3_600 * 1_000_000_000

#: Inode, time of change and size; None if the file is not there.
_Stamp: TypeAlias = tuple[int, int, int] | None


class Unread:
    """The files of one warehouse, by their paths relative to it, that could not be read."""

    def __init__(self, warehouse: Path, clock: Clock) -> None:
        self._warehouse = warehouse
        self._clock = clock
        self._looked: dict[str, tuple[_Stamp, int]] = {}

    def failed(self, path: str) -> None:
        """A file could not be read just now."""
        self._looked[path] = self._stamp(path), self._clock.boot_ns()

    def may_be_tried(self, paths: list[str]) -> bool:
        """Whether none of them is known to be bad; such a one may be tried when it has changed, and now and then."""
        return not any(self._is_known_bad(path) for path in paths)

    def over(self, paths: list[str], catalogue: Catalogue) -> list[str]:
        """Those that can be read by now, or are no files of the warehouse any more: set aside, or expired."""
        there = {entry.path: entry for entry in (*catalogue.event_files(), *catalogue.letter_files())}
        return [path for path in paths if path not in there or self._can_be_read(there[path])]

    def _can_be_read(self, entry: FileEntry) -> bool:
        if self._is_known_bad(entry.path):
            return False
        if self._is_readable(entry):
            self._looked.pop(entry.path, None)
            return True
        self.failed(entry.path)
        return False

    def _is_readable(self, entry: FileEntry) -> bool:
        if not entry.path.startswith(f"{dead_letters.DIRECTORY}/"):
            return not is_damaged(self._warehouse, entry)
        try:
            for _ in dead_letters.read_dead_letters(self._warehouse / entry.path):
                pass
        except OSError:
            return False
        return True

    def _is_known_bad(self, path: str) -> bool:
        looked = self._looked.get(path)
        if looked is None or looked[0] != self._stamp(path):
            return False
        return self._clock.boot_ns() - looked[1] < _RETRY_NS

    def _stamp(self, path: str) -> _Stamp:
        try:
            status = (self._warehouse / path).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
