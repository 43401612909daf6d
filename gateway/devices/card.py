"""A device as its owner sees it: the words on its card."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from ..pages.words import Moment, moment
from .registry import MAX_NAME_CHARS, DeviceRow

#: How long the owner is told that a copy of a device's sign-in was refused.
REUSE_TOLD_DAYS: Final = 30
_KINDS: Final = {
    "tv": "TV",
    "console": "console",
    "phone": "phone",
    "tablet": "tablet",
    "computer": "browser",
    "stick": "streaming player",
    "set_top": "receiver",
    "speaker": "speaker",
    "car": "car",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One device in words; `noun` is what a button calls it ("Sign out this TV").

    `reuse` tells when a copy of its sign-in was refused, for `REUSE_TOLD_DAYS`.
    """

    id: str
    name: str
    kind: str
    noun: str
    details: str
    place: str
    last_seen: Moment
    first_seen: Moment | None
    reuse: Moment | None
    remembered: bool
    is_this: bool


def noun_of(kind: str) -> str:
    """What a button calls a device of this kind."""
    return _KINDS.get(kind, "device")


def card(row: DeviceRow, *, is_this: bool, now_ms: int, zone: tzinfo) -> Card:
    """The card of a device row."""
    return Card(
        id=row.id,
        name=row.name or "Unnamed device",
        kind=row.kind if row.kind in _KINDS else "other",
        noun=noun_of(row.kind),
        details=_details(row),
        place=row.place,
        last_seen=moment(row.last_seen_ms, now_ms, zone),
        first_seen=moment(row.first_seen_ms, now_ms, zone) if row.first_seen_ms else None,
        reuse=moment(row.reuse_at_ms, now_ms, zone) if _is_told(row.reuse_at_ms, now_ms) else None,
        remembered=row.remembered,
        is_this=is_this,
    )


def cards(rows: Sequence[DeviceRow], *, this_device: str, now_ms: int, zone: tzinfo) -> tuple[Card | None, list[Card]]:
    """The card of this device, None if it is not among them, and the others, the last used first."""
    active = [row for row in rows if row.state == "active"]
    active.sort(key=lambda row: row.last_seen_ms, reverse=True)
    made = [card(row, is_this=row.id == this_device, now_ms=now_ms, zone=zone) for row in active]
    this = next((one for one in made if one.is_this), None)
    return this, [one for one in made if not one.is_this]


def _is_told(reuse_at_ms: int, now_ms: int) -> bool:
    return reuse_at_ms > 0 and now_ms - reuse_at_ms < REUSE_TOLD_DAYS * 86_400_000


def _details(row: DeviceRow) -> str:
    """Model and software ("Firefox on Linux"), without what the name says already."""
    software = f"{row.client} on {row.os}" if row.client and row.os else row.client or row.os
    parts = [part for part in (row.model, software) if part and part != row.name]
    return ", ".join(parts)


def name_problem(typed: str) -> str:
    """Why the registry refused a name, in words for the person who typed it."""
    length = len(typed.strip())
    if not length:
        return "Please give it a name."
    if length > MAX_NAME_CHARS:
        return f"Please use at most {MAX_NAME_CHARS} characters; that was {length}."
    return "Please leave out line breaks and invisible control characters."
