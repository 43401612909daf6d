"""The agents that the wheel of `device-detector` ships as its own fixtures, each with the kind its label means here.

They are read where they are installed and never copied: their data are LGPL-3. Which half an agent belongs to is
decided by its own SHA-256, so whoever adds agents moves none across.
"""

from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import yaml_rs

from latchstring_gateway.recognition.kinds import Kind

Half: TypeAlias = Literal["tuned", "reported"]
_LABELS: Final[dict[str, Kind]] = {
    "tv": "tv",
    "console": "console",
    "smartphone": "phone",
    "phablet": "phone",
    "feature phone": "phone",
    "tablet": "tablet",
    "desktop": "computer",
    "smart speaker": "speaker",
    "car browser": "car",
}
_SOURCES: Final = frozenset(
    {
        "tv", "console", "smartphone", "phablet", "feature_phone", "tablet", "desktop", "smart_speaker", "car_browser",
        "bots",
    }
)  # fmt: skip


class LabelledAgent(NamedTuple):
    """An agent and what it is said to be."""

    agent: str
    kind: Kind
    half: Half


def half_of(agent: str) -> Half:
    """Even SHA-256: rules may be tuned on it. Odd: it is only reported on."""
    return "reported" if sha256(agent.encode()).digest()[-1] & 1 else "tuned"


def labelled_agents() -> list[LabelledAgent]:
    """Every agent of a kind that we tell apart, once; none that carries two labels."""
    found: dict[str, set[Kind]] = {}
    folder = files("device_detector") / "tests" / "fixtures" / "upstream"
    for path in folder.iterdir():
        stem = path.name.removesuffix(".yml").rstrip("-0123456789")
        if path.name.endswith(".yml") and stem in _SOURCES:
            entries: Any = yaml_rs.loads(path.read_text(encoding="utf-8"))
            for entry in entries:
                kind = "bot" if stem == "bots" else _LABELS.get((entry.get("device") or {}).get("type") or "")
                if kind is not None and entry["user_agent"]:
                    found.setdefault(entry["user_agent"], set()).add(kind)
    return [LabelledAgent(agent, kinds.pop(), half_of(agent)) for agent, kinds in found.items() if len(kinds) == 1]


def wheel() -> str:
    """What the agents came with, for a report."""
    return f"device-detector {version('device-detector')}"
