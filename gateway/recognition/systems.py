"""System and browser of what stands before a screen, by words in its agent: engines for computers call them others.

A PlayStation's browser is no Safari on Windows, and a Samsung TV's no Safari: both only share its engine.
"""

from typing import Final

from .kinds import TELEVISION, Kind

#: By a word of the agent, in lower case; the first that is in it.
_CONSOLES: Final = (
    ("playstation", "PlayStation"),
    ("(ps3", "PlayStation"),
    ("(ps4", "PlayStation"),
    ("(ps5", "PlayStation"),
    ("ps4 ", "PlayStation"),
    ("ps5 ", "PlayStation"),
    ("psvita", "PlayStation"),
    ("psp (", "PlayStation"),
    ("xbox", "Xbox"),
    ("nintendo", "Nintendo"),
    ("steam deck", "SteamOS"),
)
_SCREENS: Final = (
    ("kepler", "Vega OS"),
    ("tivo os", "TiVo OS"),
    ("tivoos", "TiVo OS"),
    ("titanos", "Titan OS"),
    ("whaletv", "Whale TV"),
    ("whale tv", "Whale TV"),
    ("smartcast", "SmartCast"),
    ("vidaa", "VIDAA"),
    ("web0s", "webOS"),
    ("webos", "webOS"),
    ("netcast", "NetCast"),
    ("tizen", "Tizen"),
    ("roku", "Roku OS"),
    ("apple tv", "tvOS"),
    ("appletv", "tvOS"),
    ("tvos", "tvOS"),
    ("andr0id", "Android"),
)
#: Browsers by system, where the agent names but the engine.
_BROWSERS: Final[dict[str, str]] = {
    "PlayStation": "PlayStation Browser",
    "Nintendo": "Nintendo Browser",
    "Tizen": "Samsung Internet",
    "webOS": "webOS Browser",
    "NetCast": "LG Browser",
    "VIDAA": "VIDAA Browser",
}
#: What the engine calls a browser of which it knows no more than what it is built from.
_ENGINES: Final = frozenset(
    {
        "",
        "Safari",
        "Mobile Safari",
        "Chrome",
        "Chrome Mobile",
        "Chromium",
        "WebKit Nightly",
        "Apple Mail",
        "NetFront NX",
    }
)
#: Those that cannot be, before a screen without a keyboard.
_NEVER: Final = frozenset({"Apple Mail", "WebKit Nightly"})
#: What the engine knows of televisions itself.
_TOLD_OF_SCREENS: Final = frozenset({"Android", "Linux", "tvOS", "FireOS", "Fire OS"})


def system_of(family: str, kind: Kind, lowered: str, *, is_fire: bool) -> str:
    """The operating system; `family` is the engine's word for it, `is_fire` says that Amazon made the device."""
    if kind == "console":
        return _first(_CONSOLES, lowered) or family
    if kind not in TELEVISION:
        return family
    found = _first(_SCREENS, lowered)
    if found:
        return found
    if is_fire and family == "Android":
        return "Fire OS"
    # Of an HbbTV agent the engine takes the maker for the system.
    return family if family in _TOLD_OF_SCREENS else ""


def browser_of(family: str, kind: Kind, system: str) -> str:
    """The browser or app; `family` is the engine's word for it."""
    if kind != "console" and kind not in TELEVISION:
        return family
    if family in _ENGINES and system in _BROWSERS:
        return _BROWSERS[system]
    return "" if family in _NEVER else family


def _first(words: tuple[tuple[str, str], ...], lowered: str) -> str:
    return next((name for word, name in words if word in lowered), "")
