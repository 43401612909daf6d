"""The format number of what is kept on disk: what wrote it, and which releases may read it.

    {"format": 1, "needs": 1}

`format` is the newest that has written there; `needs` the oldest format whose releases read it without harm. A release
that writes something older ones would misread raises `needs`; whatever they may pass over raises `format` alone. So a
release reads what the next one writes, unless that says otherwise. No mark: written before there were marks (format 0).
The data directory keeps it in the file `format`, the store in the record of the deployment (store/format_check.py).
History: docs/upgrading.md.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: What this release writes, and the oldest format that may read it.
FORMAT: Final = 1
NEEDS: Final = 1
NAME: Final = "format"


class NewerFormatError(Exception):
    """What is there was written by a newer release; the message says what to do. For operators, not for clients."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark as found; both 0 if there is none."""

    format: int
    needs: int

    def refuse_if_newer(self, what: str) -> None:
        """Raises NewerFormatError if this release must not read `what`, the subject of a sentence."""
        if self.needs > FORMAT:
            raise NewerFormatError(
                f"{what} was written by a newer release, in format {self.format}, which releases of format "
                f"{self.needs} and later read; this one is of format {FORMAT}: run the newer release, or go back to a "
                "backup made before the upgrade (docs/upgrading.md)"
            )


OURS: Final = Mark(FORMAT, NEEDS)


def check_directory(data_dir: Path) -> Mark:
    """The mark of a data directory, which this release may read.

    Raises NewerFormatError, also for a mark that cannot be read, and OSError.
    """
    path = data_dir / NAME
    try:
        found = _parsed(path.read_bytes(), path)
    except FileNotFoundError:
        found = Mark(0, 0)
    except IsADirectoryError:
        raise _unknown(path) from None
    found.refuse_if_newer(f"{data_dir}")
    return found


def mark_directory(data_dir: Path) -> Mark:
    """Check the mark, and write ours if there is none or an older one; the mark as found. Raises as above."""
    found, path = check_directory(data_dir), data_dir / NAME
    if found.format < FORMAT:
        made = path.with_name(f".{NAME}.{os.getpid()}")
        with made.open("wb") as file:
            file.write(json.dumps({"format": FORMAT, "needs": NEEDS}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    return found


def _parsed(content: bytes, path: Path) -> Mark:
    try:
        told = json.loads(content)
        mark = Mark(told["format"], told["needs"])
    except (ValueError, KeyError, TypeError):
        mark = Mark(-1, -1)
    if not all(type(number) is int and number > 0 for number in (mark.format, mark.needs)):
        raise _unknown(path)
    return mark


def _unknown(path: Path) -> NewerFormatError:
    return NewerFormatError(
        f"{path} says nothing that this release understands: if no newer release ever ran on this directory, "
        "remove it (docs/upgrading.md)"
    )
