"""Describing a device by its user agent and hints: one recogniser for sign-in, renewal, TVs, beacons and the rest."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from .android import AndroidDevice, android_device, kind_formed, kind_named
from .engine import ParsedAgent
from .hints import NO_HINTS, Hints
from .kinds import TELEVISION, Kind
from .makers import Make, make_of
from .rules import kind_said

#: Longer agents are cut before they are parsed, and before they are remembered.
MAX_AGENT_CHARS: Final = 1_024
#: Agents that are remembered: 20 MB at the very most, when each is as long as it may be.
_MAX_KNOWN: Final = 4_096
_NOUNS: Final = {
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
            return f"{self.brand} {_NOUNS[self.kind]}"
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
    os, client = _os(parsed, kind, lowered) or hints.platform, hints.client or _client(parsed)
    return Description(kind, make.brand, make.model, os, client)


def kind_in_words(agent: str) -> Kind | None:
    """The kind that an agent says in words or by a name, so that no guess of others should be preferred."""
    android = android_device(agent)
    return kind_said(f" {agent.lower()}") or (kind_named(android.model) if android else None)


def _kind(parsed: ParsedAgent, lowered: str, android: AndroidDevice | None) -> Kind:
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


def _os(parsed: ParsedAgent, kind: Kind, lowered: str) -> str:
    if kind in TELEVISION:
        # Of an HbbTV agent the engine takes the maker for the system.
        for word, name in (("web0s", "webOS"), ("tizen", "Tizen"), ("vidaa", "VIDAA"), ("andr0id", "Android")):
            if word in lowered:
                return name
        return str(parsed.os.family) if parsed.os.family in ("Android", "Linux", "tvOS", "FireOS", "Fire OS") else ""
    return "" if parsed.os.family == "Other" else str(parsed.os.family)


def _client(parsed: ParsedAgent) -> str:
    return "" if parsed.browser.family == "Other" else str(parsed.browser.family)


def label_of(kind: str, make: str, os: str, client: str) -> str:
    """The label of a device of which these are known."""
    if kind in _KNOWN_BY_MAKE and make:
        return make
    if client and os:
        return f"{client} on {os}"
    return client or os or _NOUNS.get(kind, "Unknown device")
