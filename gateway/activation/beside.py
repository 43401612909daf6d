"""Where a device that asks is, beside the same of the person who decides; and what to think of a difference."""

from dataclasses import dataclass
from typing import Literal

from ..devices.place import Places, prefix_of
from ..pages.language import Language, isolated
from ..pages.words import country
from .grants import Asking


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known of both; blank where it is not."""

    id: Literal["country", "provider", "network"]
    name: str
    device: str
    yours: str


def beside(asking: Asking, address: str, places: Places, language: Language) -> list[Fact]:
    """What is known of where the device is, beside the place of `address`."""
    yours = places.of(address)
    facts = [
        Fact(
            "country",
            language.gettext("Country"),
            country(asking.country, language),
            country(yours.country or "", language),
        ),
        Fact("provider", language.gettext("Internet provider"), asking.provider, yours.provider or ""),
        Fact("network", language.gettext("Network"), asking.network, prefix_of(address)),
    ]
    return [fact for fact in facts if fact.device or fact.yours]


def warning(facts: list[Fact], this_first: str, language: Language) -> str:
    """What the person should know before deciding; a network tells nothing, for phones have their own."""
    differing = {fact.id: fact for fact in facts if fact.device and fact.yours and fact.device != fact.yours}
    if "country" in differing:
        return language.gettext(
            "%(device)s asks from another country (%(its_country)s) than you (%(your_country)s).",
            device=this_first,
            its_country=isolated(differing["country"].device),
            your_country=isolated(differing["country"].yours),
        )
    if "provider" in differing:
        return language.gettext(
            "%(device)s uses another Internet provider than you. Unless you are on mobile data, it is elsewhere.",
            device=this_first,
        )
    return ""
