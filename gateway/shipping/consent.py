"""What a visitor has agreed to, and who says so: our choices cookie, else the website's banner, else the browser."""

from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from ..tokens.purposes import Choices
from .tcf import purposes

State: TypeAlias = Literal["granted", "denied", "unknown"]
#: Signals of a browser that count as a refusal of analytics.
Signal: TypeAlias = Literal["gpc", "dnt"]

#: TCF purposes without which there are no analytics: store on the device, measure content, know the audience.
ANALYTICS_PURPOSES: Final = frozenset({1, 8, 9})
#: And without which nothing is shared: store on the device, profiles for advertising, measure advertising.
SHARING_PURPOSES: Final = frozenset({1, 3, 7})


class Consent(NamedTuple):
    """Consent to analytics, its source, and whether the visitor may be part of what partners are told."""

    analytics: State
    source: Literal["choices", "banner", "gpc", "dnt"] | None = None
    sharing: bool | None = None


class Asking(Protocol):
    """Whoever may ask by a signal: the sender of a hit, or a request at the door."""

    @property
    def gpc(self) -> bool:
        """Not to be shared or sold."""

    @property
    def dnt(self) -> bool:
        """Not to be tracked."""


class Banner(NamedTuple):
    """What a website's own banner says."""

    analytics: bool
    sharing: bool | None


def banner(said: str) -> Banner | None:
    """The banner's word: "granted", "denied" or a TCF string; None if it is none of these."""
    if said in ("granted", "denied"):
        return Banner(said == "granted", None)
    agreed = purposes(said)
    if agreed is None:
        return None
    return Banner(agreed >= ANALYTICS_PURPOSES, agreed >= SHARING_PURPOSES)


def consent(choices: Choices | None, told: Banner | None, sender: Asking, signals: frozenset[Signal]) -> Consent:
    """What holds. A choice made with us wins over the banner's word, and either over a signal of the browser.

    Not for sharing: with `Sec-GPC: 1` nobody is part of what partners are told, whatever was chosen.
    """
    word = choices or told
    sharing = False if sender.gpc else word.sharing if word is not None else None
    if word is not None:
        return Consent("granted" if word.analytics else "denied", "choices" if choices else "banner", sharing)
    if sender.gpc and "gpc" in signals:
        return Consent("denied", "gpc", sharing)
    if sender.dnt and "dnt" in signals:
        return Consent("denied", "dnt", sharing)
    return Consent("unknown", None, sharing)
