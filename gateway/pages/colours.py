"""The colours of our pages: the operator's in place of ours, if everybody can still read what they colour.

    accent=#7a1fa2, paper=#fffdf7, accent-dark=#d9a6f2

Ours are in style.css, as custom properties of `:root`: those of the light scheme, then what the dark one changes.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final, TypeAlias

Palette: TypeAlias = Mapping[str, str]

SCHEMES: Final = ("light", "dark")
#: What an operator may set, for the light scheme and with "-dark" for the dark one.
SETTABLE: Final = ("accent", "paper", "surface")

_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_PROPERTY: Final = re.compile(r"--([a-z-]+): (#[0-9a-f]{6});")
_TEXT: Final = 4.5
_EDGE: Final = 3.0
#: Foreground, background, and the contrast between them that WCAG 2.2 AA asks for: text 4.5, edges of fields 3.
_PAIRS: Final = (
    *(
        (text, ground, _TEXT)
        for text in ("ink", "quiet", "accent", "danger", "wait")
        for ground in ("paper", "surface")
    ),
    *((text, f"{text}-wash", _TEXT) for text in ("accent", "danger", "wait")),
    *(("ink", f"{wash}-wash", _TEXT) for wash in ("accent", "danger", "wait")),
    ("on-accent", "accent", _TEXT),
    ("surface", "danger", _TEXT),
    ("edge", "paper", _EDGE),
    ("edge", "surface", _EDGE),
)
#: How much of the accent is in its wash at most, behind a picture or a mark.
_WASH: Final = {"light": 0.1, "dark": 0.16}


@cache
def our_palettes() -> dict[str, Palette]:
    """The colours of each scheme as style.css has them."""
    sheet = files(__package__).joinpath("static", "style.css").read_text(encoding="utf-8")
    light, dark = (dict(_PROPERTY.findall(block.partition("}")[0])) for block in sheet.split(":root {")[1:3])
    return {"light": light, "dark": {**light, **dark}}


def chosen_palettes(text: str) -> dict[str, Palette]:
    """The palettes with the operator's colours, by scheme. Raises ValueError with everything that is wrong."""
    own: dict[str, dict[str, str]] = {scheme: {} for scheme in SCHEMES}
    problems = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, colour = (one.strip().lower() for one in part.partition("="))
        scheme = "dark" if name.endswith("-dark") else "light"
        base = name.removesuffix("-dark")
        if base not in SETTABLE or _COLOUR.fullmatch(colour) is None or base in own[scheme]:
            problems.append(f"expected, each once, colours such as accent=#0b5a55; there are {_names()}")
        else:
            own[scheme][base] = colour
    problems += [problem for scheme in SCHEMES if own[scheme] for problem in _unreadable(scheme, own[scheme])]
    if problems:
        raise ValueError("; ".join(dict.fromkeys(problems)))
    return {scheme: _completed(scheme, own[scheme]) for scheme in SCHEMES}


def style_sheet(palettes: Mapping[str, Palette]) -> str:
    """What of the palettes is not ours, as a style sheet that comes after ours; empty if all is."""
    ours = our_palettes()
    changed = {
        scheme: "".join(
            f"--{name}:{colour};" for name, colour in palettes[scheme].items() if ours[scheme].get(name) != colour
        )
        for scheme in SCHEMES
    }
    light = f":root{{{changed['light']}}}" if changed["light"] else ""
    # Also what the dark scheme leaves as it is: else the light one's colours would be taken there.
    names = [name for name in palettes["dark"] if f"--{name}:" in changed["light"] + changed["dark"]]
    dark = "".join(f"--{name}:{palettes['dark'][name]};" for name in names)
    return f"{light}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n" if dark else ""


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _completed(scheme: str, own: Mapping[str, str]) -> Palette:
    palette = {**our_palettes()[scheme], **own}
    if "accent" in own:
        palette["on-accent"] = max("#ffffff", "#101214", key=lambda text: contrast(text, own["accent"]))
    if own.keys() & {"accent", "surface"}:
        palette["accent-wash"] = _wash(palette, _WASH[scheme])
    return palette


def _wash(palette: Palette, most: float) -> str:
    """The accent in the surface, as strong as the accent itself can be read on."""
    washes = [_mixed(palette["accent"], palette["surface"], most * part / 5) for part in range(5, 0, -1)]
    return next((wash for wash in washes if contrast(palette["accent"], wash) >= _TEXT), washes[-1])


def _unreadable(scheme: str, own: Mapping[str, str]) -> list[str]:
    palette = _completed(scheme, own)
    problems = [
        f"{scheme} scheme: {text} {palette[text]} on {ground} {palette[ground]} has a contrast of {ratio:.2f}, "
        f"and needs {least} (WCAG 2.2 AA)"
        for text, ground, least in _PAIRS
        if (ratio := contrast(palette[text], palette[ground])) < least
    ]
    if problems and (better := _better_accent(scheme, own)):
        problems.append(f"{scheme} scheme: accent {better} would do")
    return problems


def _better_accent(scheme: str, own: Mapping[str, str]) -> str:
    """The accent next to the operator's, of his hue, that can be read on all it stands on; empty if none can."""
    now = _completed(scheme, own)
    towards = max("#000000", "#ffffff", key=lambda end: contrast(end, now["paper"]))
    for step in range(1, 101):
        palette = _completed(scheme, {**own, "accent": _mixed(towards, now["accent"], step / 100)})
        if all(contrast(palette[text], palette[ground]) >= least for text, ground, least in _PAIRS):
            return palette["accent"]
    return ""


def _mixed(one: str, other: str, share: float) -> str:
    return "#" + "".join(
        f"{round(a * share + b * (1 - share)):02x}" for a, b in zip(_channels(one), _channels(other), strict=True)
    )


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in (value / 255 for value in _channels(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _names() -> str:
    return ", ".join(name + ending for name in SETTABLE for ending in ("", "-dark"))
