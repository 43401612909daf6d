"""One event of the outbox, and the JSON that is signed and sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

#: The two numbers of a stream's id: milliseconds, and the place within them.
Position: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Event:
    """What is sent: `body` is signed as it stands; `at_ms` is when it happened."""

    id: str
    type: str
    account: str
    at_ms: int
    body: str


def read(fields: Mapping[str, str]) -> Event | None:
    """An entry of the outbox, or None if it cannot be read."""
    try:
        at_ms = int(fields["at_ms"])
        moment = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        data = {"account": fields["account"], **json.loads(fields["data"])}
        body = json.dumps({"type": fields["type"], "timestamp": moment.replace("+00:00", "Z"), "data": data})
        return Event(fields["id"], fields["type"], fields["account"], at_ms, body)
    except (KeyError, ValueError, TypeError, OverflowError, OSError):
        return None


def position(text: str) -> Position:
    """A stream's id as numbers that can be compared. Raises ValueError."""
    ms, _, number = text.partition("-")
    return int(ms), int(number or 0)


def text_of(at: Position) -> str:
    """The stream's id of a position."""
    return f"{at[0]}-{at[1]}"
