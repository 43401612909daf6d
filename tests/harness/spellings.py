"""The table of spellings that a path may be asked for in (path_spellings.txt), by what each may never get less than."""

from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).with_name("path_spellings.txt")


def spellings(kind: str) -> list[bytes]:
    """The targets of one kind, as bytes of a request line."""
    rows = [line.split("\t") for line in _TABLE.read_text().splitlines() if line and not line.startswith("#")]
    found = [target.encode().decode("unicode_escape").encode("latin-1") for row, target in rows if row == kind]
    assert found, f"expected spellings of the kind {kind!r} in the table"
    return found
