"""Colours: ours and an operator's can be read, or the start says which cannot and what would."""

import re

import pytest

from latchstring_gateway.pages.colours import chosen_palettes, contrast, our_palettes, style_sheet


@pytest.mark.parametrize(
    ("one", "other", "ratio"), [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48), ("#0b5a55", "#0b5a55", 1)]
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    """In either order."""
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.01)


def test_ours_are_read_from_the_style_sheet_and_are_its_own_standard() -> None:
    """Both schemes, complete: with any one of our own colours written out, nothing is wrong and nothing changes."""
    palettes = our_palettes()
    same = [f"{name}={palettes['light'][name]}" for name in ("paper", "surface")]
    same += [f"{name}-dark={palettes['dark'][name]}" for name in ("paper", "surface")]

    assert palettes["light"]["accent"] == "#0b5a55"
    assert palettes["dark"].keys() == palettes["light"].keys()
    assert style_sheet(chosen_palettes("")) == style_sheet(chosen_palettes(", ")) == ""
    assert chosen_palettes(", ".join(same))["dark"]["ink"] == palettes["dark"]["ink"]


def test_an_accent_brings_what_stands_on_it_and_behind_it() -> None:
    """The other scheme keeps its own."""
    palettes = chosen_palettes("ACCENT=#7A1FA2")
    sheet = style_sheet(palettes)

    assert (palettes["light"]["accent"], palettes["light"]["on-accent"]) == ("#7a1fa2", "#ffffff")
    assert palettes["dark"] == our_palettes()["dark"]
    assert ":root{--accent:#7a1fa2;--accent-wash:#f2e9f6;}" in sheet
    assert "@media (prefers-color-scheme:dark){:root{--accent:#74cdc3;--accent-wash:#17302e;}}" in sheet


def test_a_dark_accent_changes_the_dark_scheme_alone() -> None:
    """Dark text on a bright button."""
    sheet = style_sheet(chosen_palettes("accent-dark=#d9a6f2"))

    assert sheet.startswith("@media (prefers-color-scheme:dark){:root{--accent:#d9a6f2;--on-accent:#101214;")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accent=#ffcc00", "light scheme: accent #ffcc00 on paper #f5f4f0 has a contrast of 1.37, and needs 4.5"),
        ("accent-dark=#0b5a55", "dark scheme: accent #0b5a55 on paper"),
        ("paper=#000000", "light scheme: ink #1b1f23 on paper #000000"),
        ("surface-dark=#ffffff", "dark scheme: ink #eceef0 on surface #ffffff"),
        ("accent=#0b5a55, surface=#0b5a55", "on surface #0b5a55 has a contrast of 1.00"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, told: str) -> None:
    """With the figure, and the one that is asked for."""
    with pytest.raises(ValueError, match="WCAG") as wrong:
        chosen_palettes(text)

    assert told in str(wrong.value)


def test_the_colour_that_would_do_does() -> None:
    """The remedy is a colour of the same hue that is taken, and next to it."""
    with pytest.raises(ValueError, match="would do") as wrong:
        chosen_palettes("accent=#ffcc00")
    better = re.findall(r"accent (#[0-9a-f]{6}) would do", str(wrong.value))

    assert len(better) == 1
    assert chosen_palettes(f"accent={better[0]}")["light"]["accent"] == better[0]


def test_a_strong_brand_colour_gets_a_weaker_wash() -> None:
    """A red that can just be read on white is not refused for what we put behind it ourselves."""
    palette = chosen_palettes("accent=#d80a14")["light"]

    assert contrast(palette["accent"], palette["accent-wash"]) >= 4.5


@pytest.mark.parametrize(
    "text",
    [
        "accent=red", "accent=#abc", "accent=#0b5a55;x:url(//evil)", "accent", "=#0b5a55", "danger=#a5221b",
        "accent=#0b5a55,accent=#0b5a55", "accent=#0b5a5g", "accent=#0b5a55}", "accent-dark-dark=#74cdc3",
    ],
)  # fmt: skip
def test_what_is_no_colour_of_a_page_is_refused(text: str) -> None:
    """Nothing of it reaches the style sheet."""
    with pytest.raises(ValueError, match="there are accent, accent-dark, paper, paper-dark, surface, surface-dark"):
        chosen_palettes(text)
