"""Dead letters: hits that could not be understood, with the reason, one JSON object a line. Nothing is thrown away.

    warehouse/dead-letters/dt=2026-11-24/<segment id>.jsonl

`payload` is the raw hit (base64 of beacons/payload.py's MessagePack) with its address shortened and without cookies;
where a single event of a batch was refused, its body is that event alone. What is no hit at all stands there as it is.
"""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from .commits import FileEntry
from .durable import write_durably

DIRECTORY: Final = "dead-letters"
#: The reason of a line in such a file that is no letter.
UNREADABLE_LETTER: Final = "unreadable_letter"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One refused hit, or one refused event of a batch."""

    received_at_ms: int
    source: str
    reason: str
    record_id: str
    offset: int
    unit: int
    hit_id: str | None = None
    payload: str = ""


def base64_text(data: bytes) -> str:
    """How bytes stand in a dead letter."""
    return b64encode(data).decode()


def path_of(day: str, name: str) -> str:
    """Where the dead letters of a record lie, relative to the warehouse."""
    return f"{DIRECTORY}/dt={day}/{name}.jsonl"


def day_of(path: str) -> str:
    """The day of a file of dead letters, as "2026-11-24"."""
    return path.partition("/dt=")[2][:10]


def write_dead_letters(warehouse: Path, day: str, segment: str, letters: list[DeadLetter]) -> FileEntry | None:
    """Write the dead letters of a segment, durable; None if there are none."""
    if not letters:
        return None
    path = path_of(day, segment)
    write_durably(warehouse / path, b"".join(msgspec.json.encode(letter) + b"\n" for letter in letters))
    return FileEntry(path, len(letters))


def read_dead_letters(path: Path) -> Iterator[DeadLetter]:
    """The dead letters of a file, in order. Raises OSError if it cannot be opened.

    A line that cannot be read is a letter for that reason, which holds the line: it counts, and costs no other.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines):
            try:
                yield msgspec.json.decode(line, type=DeadLetter)
            except (ValueError, RecursionError):
                yield _of_an_unreadable_line(path, number, line)


def _of_an_unreadable_line(path: Path, number: int, line: bytes) -> DeadLetter:
    day = day_of(str(path))
    try:
        at_ms = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1_000)
    except ValueError:
        at_ms = 0
    # Named by what it holds, so that it is the same one at each look, wherever it is written to.
    name = hashlib.blake2b(line, digest_size=16).hexdigest()
    return DeadLetter(
        received_at_ms=at_ms,
        source="unknown",
        reason=UNREADABLE_LETTER,
        record_id=name,
        offset=0,
        unit=number,
        payload=base64_text(line),
    )
