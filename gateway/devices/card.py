"""A device as its owner sees it: the words on its card, in the reader's language."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from ..pages.language import Language
from ..pages.words import Moment, moment
from .place import Places
from .registry import MAX_NAME_CHARS, DeviceRow
from .spoken import details_in, label_in, picture_of, place_in, this_device, this_device_first

#: How long the owner is told that a copy of a device's sign-in was refused.
REUSE_TOLD_DAYS: Final = 30
#: How long it is shown that a device was used elsewhere.
ELSEWHERE_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Card:
    """One device in words; `this` is what a button calls it ("this TV"), `this_first` the same as a sentence begins.

    `name_kept` is the name as the registry has it, to be edited; `name` may be our own words for a device without one.
    `reuse` tells when a copy of its sign-in was refused, for `REUSE_TOLD_DAYS`; `looks_like` is the id of the former
    device that it seems to be.
    """

    id: str
    name: str
    name_kept: str
    kind: str
    this: str
    this_first: str
    details: str
    place: str
    network: str
    last_seen: Moment
    first_seen: Moment | None
    reuse: Moment | None
    remembered: bool
    is_this: bool
    looks_like: str = ""
    #: Where else it was used of late, and when last: a copied sign-in shows here.
    elsewhere: tuple[tuple[str, Moment], ...] = ()


def card(row: DeviceRow, language: Language, places: Places, *, is_this: bool, now_ms: int, zone: tzinfo) -> Card:
    """The card of a device row; where it was last is looked up from its network."""

    def when(at_ms: int) -> Moment:
        return moment(at_ms, now_ms, language, zone)

    here = place_in(places.of(row.place.partition("/")[0]), language)
    elsewhere: dict[str, Moment] = {}
    for network, at_ms in row.former_places:
        place = place_in(places.of(network.partition("/")[0]), language)
        if place and place != here and now_ms - at_ms < ELSEWHERE_DAYS * 86_400_000:
            elsewhere.setdefault(place, when(at_ms))
    return Card(
        id=row.id,
        name=label_in(row.name, row.client, row.os, language),
        name_kept=row.name,
        kind=picture_of(row.kind),
        this=this_device(row.kind, language),
        this_first=this_device_first(row.kind, language),
        details=details_in(row.model, row.client, row.os, row.name, language),
        place=here,
        elsewhere=tuple(elsewhere.items())[:3],
        network=row.place,
        last_seen=when(row.last_seen_ms),
        first_seen=when(row.first_seen_ms) if row.first_seen_ms else None,
        reuse=when(row.reuse_at_ms) if _is_told(row.reuse_at_ms, now_ms) else None,
        remembered=row.remembered,
        is_this=is_this,
        looks_like="" if row.looks_like is None else row.looks_like.device,
    )


def cards(
    rows: Sequence[DeviceRow],
    language: Language,
    places: Places,
    *,
    device_in_use: str = "",
    now_ms: int,
    zone: tzinfo,
) -> tuple[Card | None, list[Card]]:
    """The card of this device, None if it is not among them, and the others, the last used first."""
    active = [row for row in rows if row.state == "active"]
    active.sort(key=lambda row: row.last_seen_ms, reverse=True)
    made = [card(row, language, places, is_this=row.id == device_in_use, now_ms=now_ms, zone=zone) for row in active]
    this = next((one for one in made if one.is_this), None)
    return this, [one for one in made if not one.is_this]


def _is_told(reuse_at_ms: int, now_ms: int) -> bool:
    return reuse_at_ms > 0 and now_ms - reuse_at_ms < REUSE_TOLD_DAYS * 86_400_000


def name_problem(typed: str, language: Language) -> str:
    """Why the registry refused a name, in words for the person who typed it."""
    length = len(typed.strip())
    if not length:
        return language.gettext("Please give it a name.")
    if length > MAX_NAME_CHARS:
        return language.gettext(
            "Please use at most %(most)s characters; that was %(length)s.", most=MAX_NAME_CHARS, length=length
        )
    return language.gettext("Please leave out line breaks and invisible control characters.")
