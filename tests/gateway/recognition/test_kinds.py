"""The kinds are one list, which documents, pages and imports follow."""

import re
from pathlib import Path

from latchstring_gateway.dashboard.words import device
from latchstring_gateway.devices.spoken import this_device
from latchstring_gateway.pages.language import english
from latchstring_gateway.recognition.kinds import KINDS

_DOCUMENT = Path(__file__).parents[3] / "docs" / "recognition.md"


def test_every_kind_is_explained() -> None:
    """docs/recognition.md lists the identifiers in their order."""
    table = _DOCUMENT.read_text().partition("## Kinds")[2].partition("## How")[0]

    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == KINDS


def test_every_kind_has_words() -> None:
    """The dashboard names all of them, and the devices page all that somebody signs in on."""
    assert [kind for kind in KINDS if device(kind) == kind] == []
    assert {kind for kind in KINDS if this_device(kind, english()) == "this device"} == {
        "bot",
        "privacy_proxy",
        "other",
    }
