"""Describing a device by its user agent and hints: one recogniser for sign-in, renewal, TVs, beacons and the rest."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from .android import AndroidDevice, android_device, is_fire_device, kind_formed, kind_named, kind_of_amazon
from .engine import ParsedAgent
from .hints import NO_HINTS, Hints
from .kinds import TELEVISION, Kind
from .makers import Make, make_of
from .rules import kind_said
from .systems import browser_of, system_of

#: Longer agents are cut before they are parsed, and before they are remembered.
MAX_AGENT_CHARS: Final = 1_024
#: Agents that are remembered: 20 MB at the very most, when each is as long as it may be.
_MAX_KNOWN: Final = 4_096
#: What a device is called of which no more is known; behind a brand, "Samsung TV".
NOUNS: Final = {
    "tv": "TV",
    "console": "Console",
    "stick": "TV box",
    "set_top": "TV receiver",
    "phone": "Phone",
    "tablet": "Tablet",
    "computer": "Computer",
    "speaker": "Speaker",
    "car": "Car",
}
#: What the second look of former versions took for the brand of some TVs.
NO_BRAND: Final = "Unknown"
#: Kinds that people know by their make, not by a browser.
_KNOWN_BY_MAKE: Final = TELEVISION | {"console", "speaker", "car"}


@dataclass(frozen=True, slots=True)
class Description:
    """What a device is; `client` is the browser or app, `label` what the devices page calls it. Texts may be empty."""

    kind: Kind
    brand: str
    model: str
    os: str
    client: str

    @property
    def make(self) -> str:
        """Brand and model in words: "Sony PlayStation 5"; a TV of which only the brand is known is an "LG TV"."""
        if not self.model and self.brand and self.kind in _KNOWN_BY_MAKE:
            return f"{self.brand} {NOUNS[self.kind]}"
        return self.model if self.model.startswith(self.brand) else f"{self.brand} {self.model}".strip()

    def stated(self, make: Make) -> "Description":
        """The same of a device that has said itself who made it."""
        return replace(self, brand=make.brand, model=make.model) if any(make) else self

    @property
    def label(self) -> str:
        """What the devices page calls it until its owner names it."""
        return label_of(self.kind, self.make, self.os, self.client)


#: Of whom nothing is known.
UNKNOWN: Final = Description("other", "", "", "", "")


def describe(agent: str, hints: Hints = NO_HINTS) -> Description:
    """Describe a device by its agent; never raises, whatever it holds."""
    return _describe(agent[:MAX_AGENT_CHARS], hints)


@lru_cache(maxsize=_MAX_KNOWN)
def _describe(agent: str, hints: Hints) -> Description:
    text = hints.applied_to(agent)
    if not text.isprintable():
        text = "".join(c for c in text if c.isprintable())
    lowered = f" {text.lower()}"
    parsed = ParsedAgent(text)
    android = android_device(text)
    kind = hints.kind(_kind(parsed, lowered, android))
    make = make_of(text, lowered, android) if kind in _KNOWN_BY_MAKE else Make("", "")
    if not make.brand:
        make = _make_by_engine(parsed, make)
    is_fire = android is not None and is_fire_device(android.model)
    os = system_of(_family(parsed.os.family), kind, lowered, is_fire=is_fire) or hints.platform
    client = hints.client or browser_of(_family(parsed.browser.family), kind, os)
    return Description(kind, make.brand, make.model, os, client)


def kind_in_words(agent: str) -> Kind | None:
    """The kind that an agent says in words or by a name, so that no guess of others should be preferred."""
    android = android_device(agent)
    return kind_said(f" {agent.lower()}") or (kind_named(android.model) if android else None)


def _kind(parsed: ParsedAgent, lowered: str, android: AndroidDevice | None) -> Kind:
    # Of Amazon's devices the model tells more than the words, and what runs on them calls itself mobile.
    said = kind_of_amazon(android.model) if android is not None else None
    if said is not None:
        return said
    said = kind_said(lowered)
    if said is not None:
        return said
    if parsed.is_bot:
        return "bot"
    if android is not None:
        said = kind_named(android.model) or kind_formed(android, mobile="mobile" in lowered)
        if said is not None:
            return said
    if parsed.is_tablet:
        return "tablet"
    if parsed.is_mobile:
        return "phone"
    return "computer" if parsed.is_pc else "other"


def _make_by_engine(parsed: ParsedAgent, make: Make) -> Make:
    brand, model = parsed.device.brand or "", parsed.device.model or ""
    if brand.startswith("Generic_Android"):
        # The engine knows no brand, but what the agent says of the model; K is what browsers say instead of one.
        return Make("", "" if model == "K" else model.strip(" ;"))
    return make if brand.startswith(("Generic", "Other", "Spider")) or not brand else Make(brand, model.strip(" -_;"))


def _family(found: object) -> str:
    """The engine's word, blank for none."""
    return "" if found == "Other" else str(found)


def label_of(kind: str, make: str, os: str, client: str) -> str:
    """The label of a device of which these are known."""
    if kind in _KNOWN_BY_MAKE and make:
        return make
    if kind in TELEVISION and os in ("", "Linux"):
        # "Safari on Linux" is nothing that anybody has before their sofa.
        return NOUNS[kind]
    if client and os:
        return f"{client} on {os}"
    return client or os or NOUNS.get(kind, "Unknown device")
