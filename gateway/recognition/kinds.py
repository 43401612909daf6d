"""The kinds of device, by the identifiers that store, reports and API use (docs/recognition.md)."""

from typing import Final, Literal, TypeAlias, get_args

Kind: TypeAlias = Literal[
    "tv",
    "console",
    "stick",
    "set_top",
    "phone",
    "tablet",
    "computer",
    "speaker",
    "car",
    "bot",
    "privacy_proxy",
    "other",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
#: What shows its picture on the screen of a living room, whatever is in which box.
TELEVISION: Final[frozenset[Kind]] = frozenset({"tv", "stick", "set_top"})
