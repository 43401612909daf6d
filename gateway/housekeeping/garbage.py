"""The dead letters of an hour or a day in one file, of a bounded size; beyond it only numbers are kept.

Garbage costs its sender nothing, so what is kept of it has a bound: 64 MiB an hour and 256 MiB a day. The room is
shared among the reasons, so that a flood of one leaves the letters of the others alone. Files are read and written line
by line, twice: first to weigh, then to write.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ..shipping.catalogue import Catalogue
from ..shipping.commits import Commit, FileEntry
from ..shipping.dead_letters import DeadLetter, path_of
from ..shipping.durable import make_durably

HOUR_LETTER_BYTES: Final = 64 * 1024 * 1024
DAY_LETTER_BYTES: Final = 256 * 1024 * 1024


class Merged(NamedTuple):
    """The file, if there is one; how many letters by reason there were; and of how many only that is kept."""

    entry: FileEntry | None
    reasons: Counter[str]
    dropped: Counter[str]


def merge_letters(catalogue: Catalogue, commits: Sequence[Commit], day: str, name: str, *, max_bytes: int) -> Merged:
    """Write the dead letters of `commits` that count to one file, durable, of at most `max_bytes`.

    They stand in the order of the commits. Raises OSError, and msgspec.DecodeError for a file that is damaged.
    """
    dropped = sum((Counter(commit.dropped) for commit in commits), Counter[str]())
    kept, sizes = Counter[str](), Counter[str]()
    for letter, line in _lines(catalogue, commits):
        kept[letter.reason] += 1
        sizes[letter.reason] += len(line)
    if not kept:
        return Merged(None, dropped.copy(), dropped)
    path, written = path_of(day, name), Counter[str]()
    budget = shares(sizes, max_bytes)
    make_durably(catalogue.warehouse / path, partial(_write, catalogue, commits, budget, written))
    entry = FileEntry(path, written.total())
    return Merged(entry, kept + dropped, kept - written + dropped)


def shares(sizes: Counter[str], max_bytes: int) -> dict[str, int]:
    """How many bytes each reason may have: all it needs, or an equal share of what the smaller ones leave over."""
    left, granted = max_bytes, dict[str, int]()
    for number, (reason, size) in enumerate(sorted(sizes.items(), key=lambda item: (item[1], item[0]))):
        granted[reason] = min(size, left // (len(sizes) - number))
        left -= granted[reason]
    return granted


def _write(
    catalogue: Catalogue, commits: Sequence[Commit], budget: dict[str, int], written: Counter[str], path: Path
) -> None:
    left = dict(budget)
    with path.open("wb") as file:
        for letter, line in _lines(catalogue, commits):
            if len(line) <= left[letter.reason]:
                left[letter.reason] -= len(line)
                written[letter.reason] += 1
                file.write(line)


def _lines(catalogue: Catalogue, commits: Sequence[Commit]) -> Iterator[tuple[DeadLetter, bytes]]:
    for commit in commits:
        for letter in catalogue.letters(commit):
            yield letter, msgspec.json.encode(letter) + b"\n"
