"""Hardware ids: one spelling, no id where none is, and nothing but a keyed hash of it."""

import pytest

from latchstring_gateway.tokens.hardware import normalised, tag
from latchstring_gateway.tokens.keyfile import new_key

_KEY, _OTHER_KEY = (new_key(0, not_before_ms=0) for _ in range(2))
_ID = "AC:55:00:17:22:F1"


@pytest.mark.parametrize(
    "nobodys",
    [
        "", " ", "0", "000000000000", "00:00:00:00:00:00", "ffff-ffff-ffff-ffff", "0101010101", "unknown", "N/A",
        "null", "9774d56d682e549c", "02:00:00:00:00:00", "To Be Filled By O.E.M.", "SERIAL", "1234567890",
        "\x00\x01\x02\x03\x04\x05",
        "{00000000-0000-0000-0000-000000000000}", "\u200b\u200b\u200b\u200b\u200b\u200b\u200c\u200d",
    ],
)  # fmt: skip
def test_what_says_nothing_of_a_device_is_no_id(nobodys: str) -> None:
    """Empty, one character over and over, and what makers write where they have nothing to say."""
    assert tag(_KEY, "app", nobodys) == ""


@pytest.mark.parametrize("spelt", ["ac:55:00:17:22:f1", "AC-55-00-17-22-F1", " ac550017 22f1 ", "\uff21C55001722F1"])
def test_an_id_has_one_spelling(spelt: str) -> None:
    """Case, punctuation and width do not matter."""
    assert normalised(spelt) == "ac55001722f1"
    assert tag(_KEY, "app", spelt) == tag(_KEY, "app", _ID)


def test_a_tag_tells_nothing_and_joins_nothing() -> None:
    """Not the id; another app, another key or another id has another; the key it is good for stands before it."""
    found = tag(_KEY, "app", _ID)

    assert len({found, tag(_KEY, "other-app", _ID), tag(_OTHER_KEY, "app", _ID), tag(_KEY, "app", _ID + "0")}) == 4
    assert found.startswith(f"{_KEY.id}.")
    assert "ac55" not in found.lower()
    assert len(found) == len(_KEY.id) + 23
