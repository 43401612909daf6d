"""What a browser says of itself besides its agent: client hints (WICG/ua-client-hints), which Chromium sends.

    Sec-CH-UA: "Chromium";v="140", "Brave";v="140", "Not=A?Brand";v="24"
    Sec-CH-UA-Mobile: ?0
    Sec-CH-UA-Platform: "Android"
    Sec-CH-UA-Model: "BRAVIA 4K VH2"
    Sec-CH-UA-Form-Factors: "Tablet"

The first three come unasked, the others to whoever sends `Accept-CH`. As with the agent, anybody can send any of them.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from .kinds import Kind

#: What is asked for, by our own pages and by whoever follows docs/recognition.md.
ACCEPT_CH: Final = "Sec-CH-UA-Model, Sec-CH-UA-Form-Factors"
_MAX_VALUE_CHARS: Final = 512
#: A string of a structured field (RFC 9651 section 3.3.3), as browsers write them.
_STRING: Final = re.compile(r'"([^"\\\x00-\x1f\x7f-\U0010ffff]{0,128})"')
_BRAND: Final = re.compile(r'"([^"\\\x00-\x1f\x7f-\U0010ffff]{1,64})"\s*;\s*v="')
#: What every Chromium says, and what stands there to keep readers from counting on the list.
_NO_BRANDS: Final = re.compile(r"Chromium|Google Chrome|Android WebView|.*[Nn]ot.*[Bb]rand.*|.*[;=?:()/].*")
#: The engine's names for them.
_CLIENTS: Final = {"Microsoft Edge": "Edge", "Opera GX": "Opera", "Samsung Internet": "Samsung Internet"}
_FORM_FACTORS: Final[dict[str, Kind]] = {
    "Tablet": "tablet",
    "Mobile": "phone",
    "Automotive": "car",
    "Desktop": "computer",
    "EInk": "tablet",
    "Watch": "other",
    "XR": "other",
}
#: Kinds that a form factor may correct. "TV" was dropped from the list of them, so it says nothing about one.
_CORRECTED: Final[frozenset[Kind]] = frozenset({"phone", "tablet", "computer", "other"})


class Hints(NamedTuple):
    """What the hints of a request say; empty, or None, for what they do not."""

    model: str = ""
    platform: str = ""
    client: str = ""
    mobile: bool | None = None
    form: Kind | None = None

    def applied_to(self, agent: str) -> str:
        """The agent with the model in it, where its browser wrote `K` for all models alike."""
        return agent.replace("; K)", f"; {self.model})", 1) if self.model else agent

    def kind(self, kind: Kind) -> Kind:
        """The kind, which an agent told, corrected."""
        if kind not in _CORRECTED:
            return kind
        if self.form is not None:
            return self.form
        if self.mobile:
            return "phone" if kind == "other" else kind
        return kind


NO_HINTS: Final = Hints()


def read_hints(headers: Mapping[str, str]) -> Hints:
    """The hints among the headers of a request, by names in lower case; what cannot be read counts as not sent."""
    model = _string(headers, "sec-ch-ua-model")
    factors = [_FORM_FACTORS[factor] for factor in _list(headers, "sec-ch-ua-form-factors") if factor in _FORM_FACTORS]
    mobile = {"?1": True, "?0": False}.get(headers.get("sec-ch-ua-mobile", "").strip())
    brands = [brand for brand in _BRAND.findall(_value(headers, "sec-ch-ua")) if not _NO_BRANDS.fullmatch(brand)]
    return Hints(
        # It goes where the agent has a bracket after it.
        model=re.sub(r"[();]", " ", model).strip(),
        platform=_string(headers, "sec-ch-ua-platform"),
        client=_CLIENTS.get(brands[0], brands[0]) if brands else "",
        mobile=mobile,
        form=factors[0] if factors else None,
    )


def _value(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    return value if len(value) <= _MAX_VALUE_CHARS else ""


def _string(headers: Mapping[str, str], name: str) -> str:
    found = _STRING.fullmatch(_value(headers, name))
    return found[1].strip() if found else ""


def _list(headers: Mapping[str, str], name: str) -> list[str]:
    return _STRING.findall(_value(headers, name))
