"""What a user agent says a device is, and what a person would call it. Descriptive only, never a credential."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import user_agents

#: Longer agents are cut before they are parsed: the parser is a heap of regular expressions.
MAX_AGENT_CHARS: Final = 1_024


@dataclass(frozen=True, slots=True)
class Description:
    """`kind` is one of tv, console, phone, tablet, computer, bot, other; `label` what the devices page calls it."""

    kind: str
    model: str
    os: str
    client: str
    label: str


@lru_cache(maxsize=4_096)
def describe(agent: str) -> Description:
    """Describe a device by its user agent; never raises, whatever it holds."""
    text = "".join(c for c in agent[:MAX_AGENT_CHARS] if c.isprintable())
    parsed = user_agents.parse(text)
    kind = _kind(parsed, text)
    client = "" if parsed.browser.family == "Other" else parsed.browser.family
    os = "" if parsed.os.family == "Other" else parsed.os.family
    brand, model = parsed.device.brand or "", parsed.device.model or ""
    known_model = "" if brand in {"Generic", "Other"} else f"{brand} {model}".strip()
    return Description(kind, known_model, os, client, label_of(kind, known_model, os, client))


def _kind(parsed: "user_agents.parsers.UserAgent", text: str) -> str:
    lowered = text.lower()
    if parsed.is_bot:
        return "bot"
    # The parser has no class for either and calls most of them tablets or computers.
    if any(word in lowered for word in ("playstation", "xbox", "nintendo")):
        return "console"
    if any(
        word in lowered for word in ("smart-tv", "smarttv", "appletv", "bravia", "hbbtv", "web0s", "roku", "googletv")
    ):
        return "tv"
    if parsed.is_tablet:
        return "tablet"
    if parsed.is_mobile:
        return "phone"
    return "computer" if parsed.is_pc else "other"


def label_of(kind: str, model: str, os: str, client: str) -> str:
    """What the devices page calls a device until its owner names it."""
    if kind in {"tv", "console"} and model:
        return model
    words = {"phone": "Phone", "tablet": "Tablet", "computer": "Computer", "tv": "TV", "console": "Console"}
    if client and os:
        return f"{client} on {os}"
    return client or os or words.get(kind, "Unknown device")
