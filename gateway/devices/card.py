"""A device as its owner sees it: the words on its card, and what it may be called."""

import unicodedata
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, Protocol

from ..errors import BadRequest
from ..pages.words import Moment, moment

MAX_NAME_CHARS: Final = 60

_KINDS: Final = {
    "tv": "TV",
    "console": "console",
    "phone": "phone",
    "tablet": "tablet",
    "computer": "browser",
    "stick": "streaming stick",
}
#: Of the format characters (Cf) only these are refused: they turn the text around them. Joiners, which Persian and
#: emoji need, stay.
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


class DeviceFacts(Protocol):
    """What a card needs to know of a device; `registry.DeviceRow` has it. Times in milliseconds since the epoch."""

    @property
    def id(self) -> str: ...  # noqa: D102  (fields, named as in the registry)
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def os(self) -> str: ...  # noqa: D102
    @property
    def client(self) -> str: ...  # noqa: D102
    @property
    def first_seen_ms(self) -> int: ...  # noqa: D102
    @property
    def last_seen_ms(self) -> int: ...  # noqa: D102
    @property
    def place(self) -> str: ...  # noqa: D102
    @property
    def remembered(self) -> bool: ...  # noqa: D102
    @property
    def state(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Card:
    """One device in words; `noun` is what a button calls it ("Sign out this TV")."""

    id: str
    name: str
    kind: str
    noun: str
    details: str
    place: str
    last_seen: Moment
    first_seen: Moment | None
    remembered: bool
    is_this: bool


def card(row: DeviceFacts, *, is_this: bool, now_ms: int, zone: tzinfo) -> Card:
    """The card of a device row."""
    return Card(
        id=row.id,
        name=row.name or "Unnamed device",
        kind=row.kind if row.kind in _KINDS else "other",
        noun=_KINDS.get(row.kind, "device"),
        details=_details(row),
        place=row.place,
        last_seen=moment(row.last_seen_ms, now_ms, zone),
        first_seen=moment(row.first_seen_ms, now_ms, zone) if row.first_seen_ms else None,
        remembered=row.remembered,
        is_this=is_this,
    )


def cards(rows: list[DeviceFacts], *, this_device: str, now_ms: int, zone: tzinfo) -> tuple[Card | None, list[Card]]:
    """The card of this device, None if it is not among them, and the others, the last used first."""
    newest_first = sorted(rows, key=lambda row: row.last_seen_ms, reverse=True)
    made = [card(row, is_this=row.id == this_device, now_ms=now_ms, zone=zone) for row in newest_first]
    this = next((one for one in made if one.is_this), None)
    return this, [one for one in made if not one.is_this]


def _details(row: DeviceFacts) -> str:
    """Model and software ("Firefox on Linux"), without what the name says already."""
    software = f"{row.client} on {row.os}" if row.client and row.os else row.client or row.os
    parts = [part for part in (row.model, software) if part and part != row.name]
    return ", ".join(parts)


def checked_name(text: str) -> str:
    """`text` without blanks around it, as the name of a device.

    Raises BadRequest (`bad_name`), saying in plain words what is wrong, unless it has 1 to 60 characters, none of them
    a control character.
    """
    name = text.strip()
    if not name:
        raise BadRequest("bad_name", "Please give it a name.")
    if len(name) > MAX_NAME_CHARS:
        raise BadRequest("bad_name", f"Please use at most {MAX_NAME_CHARS} characters; that was {len(name)}.")
    if any(unicodedata.category(char) in _REFUSED_CATEGORIES or char in _TURNING for char in name):
        raise BadRequest("bad_name", "Please leave out line breaks and invisible control characters.")
    if all(unicodedata.category(char) in ("Cf", "Mn", "Zs") for char in name):
        raise BadRequest("bad_name", "Please use at least one visible character.")
    return name
