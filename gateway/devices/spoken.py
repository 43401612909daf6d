"""A device in the reader's language: what buttons and sentences call it, and what it runs."""

from typing import Final, NamedTuple

from ..pages.language import Language, gettext_noop, isolated
from ..pages.words import country
from ..recognition.describe import NO_BRAND, NOUNS
from ..recognition.makers import BRANDS
from .place import Place


class _Phrases(NamedTuple):
    """What a kind is called where something is done to it, and where it begins a sentence: often not alike."""

    as_object: str
    as_subject: str


_KINDS: Final = {
    # Translators: small where something is done to it ("Sign out this TV"), large where a sentence begins with it.
    "tv": _Phrases(gettext_noop("this TV"), gettext_noop("This TV")),
    "console": _Phrases(gettext_noop("this console"), gettext_noop("This console")),
    "phone": _Phrases(gettext_noop("this phone"), gettext_noop("This phone")),
    "tablet": _Phrases(gettext_noop("this tablet"), gettext_noop("This tablet")),
    "computer": _Phrases(gettext_noop("this browser"), gettext_noop("This browser")),
    "stick": _Phrases(gettext_noop("this streaming player"), gettext_noop("This streaming player")),
    "set_top": _Phrases(gettext_noop("this receiver"), gettext_noop("This receiver")),
    "speaker": _Phrases(gettext_noop("this speaker"), gettext_noop("This speaker")),
    "car": _Phrases(gettext_noop("this car"), gettext_noop("This car")),
}
_OTHER: Final = _Phrases(gettext_noop("this device"), gettext_noop("This device"))

#: What a device of which nothing more is known is called until its owner names it, as the registry keeps it.
_PLAIN_LABELS: Final = frozenset(
    {
        gettext_noop("TV"),
        gettext_noop("TV box"),
        gettext_noop("TV receiver"),
        gettext_noop("Console"),
        gettext_noop("Phone"),
        gettext_noop("Tablet"),
        gettext_noop("Computer"),
        gettext_noop("Speaker"),
        gettext_noop("Car"),
        gettext_noop("Unknown device"),
    }
)


#: What a device is called of which no more than the brand is known: "Samsung TV" (recognition/describe.py).
_BRANDED: Final = {
    NOUNS["tv"]: gettext_noop("%(brand)s TV"),
    NOUNS["stick"]: gettext_noop("%(brand)s TV box"),
    NOUNS["set_top"]: gettext_noop("%(brand)s TV receiver"),
    NOUNS["console"]: gettext_noop("%(brand)s console"),
    NOUNS["speaker"]: gettext_noop("%(brand)s speaker"),
    NOUNS["car"]: gettext_noop("%(brand)s car"),
}


def picture_of(kind: str) -> str:
    """The kind whose picture and words stand for this one, which may be of a later version."""
    return kind if kind in _KINDS else "other"


def this_device(kind: str, language: Language) -> str:
    """What a button calls a device: "Sign out this TV"."""
    return language.gettext(_KINDS.get(kind, _OTHER).as_object)


def this_device_first(kind: str, language: Language) -> str:
    """What a sentence about a device begins with: "This TV asks from another country"."""
    return language.gettext(_KINDS.get(kind, _OTHER).as_subject)


def label_in(label: str, client: str, os: str, language: Language) -> str:
    """The label of a device that its owner has not named; a name that he gave stays as it is."""
    if not label:
        return language.gettext("Unnamed device")
    if client and os and label == f"{client} on {os}":
        return _software(client, os, language)
    return language.gettext(label) if label in _PLAIN_LABELS else make_in(label, language)


def make_in(make: str, language: Language) -> str:
    """Brand and model, or a name we have made of the brand and what it is; any other name stays as it is."""
    brand, _, noun = make.partition(" ")
    if noun not in _BRANDED:
        return make
    if brand == NO_BRAND:
        return language.gettext(noun)
    return language.gettext(_BRANDED[noun], brand=isolated(brand)) if brand in BRANDS else make


def details_in(model: str, client: str, os: str, label: str, language: Language) -> str:
    """Model and software ("ThinkPad, Firefox on Linux"), without what the label in the registry says already."""
    plain = f"{client} on {os}" if client and os else client or os
    software = _software(client, os, language) if plain != label else ""
    if not model or model in (label, f"{NO_BRAND} {NOUNS['tv']}"):
        return software
    made = make_in(model, language)
    made = made if made != model else isolated(model)
    return language.gettext("%(model)s, %(software)s", model=made, software=software) if software else made


def place_in(place: Place, language: Language) -> str:
    """Country and provider of a place ("Netherlands, by Example Cable"), as far as they are known; else blank."""
    where = country(place.country, language) if place.country else ""
    if where and place.provider:
        by = isolated(place.provider)
        return language.gettext("%(country)s, by %(provider)s", country=isolated(where), provider=by)
    return where or (isolated(place.provider) if place.provider else "")


def _software(client: str, os: str, language: Language) -> str:
    if client and os:
        return language.gettext("%(client)s on %(os)s", client=isolated(client), os=isolated(os))
    return isolated(client or os) if client or os else ""
