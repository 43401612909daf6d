"""Every page for people, in every language: turned the right way, and without a word of English in the others."""

import re
from collections.abc import Callable
from datetime import UTC

import pytest
from starlette.requests import Request

from harness.devices_stand import NOW_MS, PARTIAL, row
from harness.pages import pages
from latchstring_gateway.devices.card import Card, cards
from latchstring_gateway.devices.limit import Full
from latchstring_gateway.devices.place import Places
from latchstring_gateway.devices.receipt_words import Told, tell
from latchstring_gateway.devices.spoken import this_device, this_device_first
from latchstring_gateway.errors import EdgeError, NotFound, StoreAway, TooMany
from latchstring_gateway.pages.language import Language
from latchstring_gateway.pages.render import environment

#: Pieces of pages; what only operators read; and what tests/gateway/devices/test_page.py shows in every language.
_NOT_HERE = {
    *("base.html", "icons.html", "times.html", "pick.html"),
    *("charts.html", "dashboard.html", "dashboard_sign_in.html"),
    *("devices.html", "confirm_remove.html", "removed.html"),
}
_ENGLISH = re.compile(r"\b(?:the|this|you|your|signed|sign|and|not|for|with|from|back|yes)\b", re.IGNORECASE)
_CHOICES = {"action": "/c", "is_saved": True, "is_outdated": True}


def _field(language: Language, *, is_digits: bool) -> dict[str, object]:
    form, error = language.gettext("9 digits"), language.gettext("Please give it a name.")
    return {"url": "/a", "form_words": form, "example": "1", "typed": "", "is_digits": is_digits, "error": error}


def _outcome(language: Language, *, is_connected: bool) -> dict[str, object]:
    tv = this_device_first("tv", language)
    return {"is_connected": is_connected, "this_first": tv, "label": "LG", "devices_url": "/d", "told": _told(language)}


def _told(language: Language) -> Told:
    return tell(PARTIAL, ["LG"], language, UTC)


def _choice(language: Language, *, wrong: bool) -> dict[str, object]:
    return {"cards": _cards(language), "field": "give_up_", "chosen": [], "wrong": wrong}


def _cards(language: Language) -> list[Card]:
    return cards([row("a", "LG", "tv")], language, Places(), now_ms=NOW_MS, zone=UTC)[1]


def _room(language: Language, *, wrong: bool, surplus: int) -> dict[str, object]:
    return {"url": "/r", "most": 2, "surplus": surplus, **_choice(language, wrong=wrong)}


def _question(language: Language, full: Full | None = None, *, is_alone: bool = False) -> dict[str, object]:
    return {
        **_choice(language, wrong=full is not None),
        **({"cards": []} if is_alone else {}),
        "full": full,
        "url": "/a",
        "code": "WDJB-MJHT",
        "kind": "tv",
        "this": this_device("tv", language),
        "this_first": this_device_first("tv", language),
        "label": "LG",
        "details": "",
        "facts": [{"name": "", "device": "", "yours": ""}],
        "warning": language.gettext("Look twice."),
        "is_same_network": True,
    }


#: Each page in its forms: its template, and what it shows.
_SHOWN: list[tuple[str, Callable[[Language], dict[str, object]]]] = [
    ("activate.html", lambda language: _field(language, is_digits=False)),
    ("activate.html", lambda language: _field(language, is_digits=True)),
    ("activate_confirm.html", _question),
    ("activate_confirm.html", lambda language: _question(language, Full((), 1, 1), is_alone=True)),
    ("activate_confirm.html", lambda language: _question(language, Full((), 1, 2))),
    ("activate_confirm.html", lambda language: _question(language, Full((), 3, 2))),
    ("activate_done.html", lambda language: _outcome(language, is_connected=True)),
    ("activate_done.html", lambda language: _outcome(language, is_connected=False)),
    ("choices.html", lambda _: {**_CHOICES, "chosen": None, "has_gpc": False}),
    ("choices.html", lambda _: {**_CHOICES, "chosen": {"analytics": True, "sharing": True}, "has_gpc": True}),
    ("cookies_required.html", lambda _: {"retry_url": "/in"}),
    ("made_room.html", lambda language: {"told": _told(language), "continue_url": "/"}),
    ("make_room.html", lambda language: _room(language, wrong=False, surplus=1)),
    ("make_room.html", lambda language: _room(language, wrong=True, surplus=3)),
    ("make_room.html", lambda language: {**_room(language, wrong=False, surplus=0), "cards": []}),
    ("not_sent.html", lambda _: {"sign_in_url": "/in", "code": "not_signed_in"}),
    ("sign_out.html", lambda _: {"action": "/out", "everywhere_url": "/all", "back_url": "/"}),
    ("sign_out_everywhere.html", lambda _: {"action": "/out", "back_url": "/"}),
    ("signed_out.html", lambda _: {"sign_in_url": "/in"}),
]
_ERRORS: list[EdgeError] = [NotFound("x", "told to programs"), StoreAway(), TooMany("x", "told to programs")]


def test_no_page_is_forgotten() -> None:
    """A new template stands in the list above, or is named as one that is shown elsewhere."""
    ours = {name for name in environment().list_templates() if "/" not in name}

    assert {name for name, _ in _SHOWN} | {"error.html"} | _NOT_HERE == ours


@pytest.mark.parametrize(("tag", "direction"), [("en", "ltr"), ("nl", "ltr"), ("ar", "rtl")])
def test_every_page_speaks_its_language(tag: str, direction: str) -> None:
    """All of its forms; names apart, which are isolated, and terms in brackets that are English everywhere."""
    ours = pages(languages=tag)
    reader = ours.reader(Request({"type": "http", "headers": []}))
    shown = [ours.render(name, reader.language, context(reader.language)) for name, context in _SHOWN]
    shown += [bytes(reader.error_page(error).body).decode() for error in _ERRORS]

    assert all(f'<html lang="{tag}" dir="{direction}">' in html for html in shown)
    english = [word for html in shown for word in _ENGLISH.findall(re.sub(r"<[^>]*>", " ", html))]
    assert (english != []) == (tag == "en")
