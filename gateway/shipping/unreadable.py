"""Files of a warehouse that cannot be read: each is left where it is, skipped, named and counted; all else goes on.

A commit record that cannot be read keeps its segment from being shipped again and its files from being swept: both go
by its name. Its rows do not count until it is put back. The ledger names it as a problem.
"""

from typing import Final, NamedTuple

#: What reading a damaged file raises: the disk, the decoder, or a JSON text that is nested too deep.
READ_ERRORS: Final = (OSError, ValueError, RecursionError)


class Unreadable(NamedTuple):
    """One file, by its path relative to the warehouse, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path} cannot be read ({self.reason}): put it back from a backup; until then it does not count"


def unreadable(path: str, error: Exception) -> Unreadable:
    """What an error says of a file."""
    return Unreadable(path, f"{type(error).__name__}: {error}"[:200])
