"""What client hints add to an agent, and that bad ones add nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.recognition.describe import describe
from latchstring_gateway.recognition.hints import ACCEPT_CH, NO_HINTS, read_hints

_REDUCED = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0{} Safari/537.36"
_PHONE, _NO_PHONE = _REDUCED.format(" Mobile"), _REDUCED.format("")
_DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36"
_TIZEN = "Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) 94.0/7.0 TV Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "headers", "kind", "make", "client"),
    [
        (_PHONE, {}, "phone", "", "Chrome Mobile"),
        (_PHONE, {"sec-ch-ua-model": '"SM-S921B"'}, "phone", "Samsung SM-S921B", "Chrome Mobile"),
        (_NO_PHONE, {"sec-ch-ua-model": '"BRAVIA 4K VH2"'}, "tv", "Sony BRAVIA 4K VH2", "Chrome"),
        (_NO_PHONE, {"sec-ch-ua-model": '"AFTKA"'}, "stick", "Amazon Fire TV Stick 4K Max", "Chrome"),
        (_NO_PHONE, {"sec-ch-ua-form-factors": '"Tablet"'}, "tablet", "", "Chrome"),
        (_PHONE, {"sec-ch-ua-form-factors": '"Tablet", "Mobile"'}, "tablet", "", "Chrome Mobile"),
        (_DESKTOP, {"sec-ch-ua-form-factors": '"Automotive"'}, "car", "", "Chrome"),
        (_DESKTOP, {"sec-ch-ua": '"Chromium";v="137", "Brave";v="137", "Not/A)Brand";v="24"'}, "computer", "", "Brave"),
        (_DESKTOP, {"sec-ch-ua": '"Chromium";v="137", "Google Chrome";v="137"'}, "computer", "", "Chrome"),
        (
            _TIZEN,
            {"sec-ch-ua-form-factors": '"Desktop"', "sec-ch-ua-mobile": "?1"},
            "tv",
            "Samsung TV",
            "Samsung Browser",
        ),
        ("App/1.0", {"sec-ch-ua-mobile": "?1", "sec-ch-ua-platform": '"Android"'}, "phone", "", ""),
    ],
)
def test_hints_tell_what_a_reduced_agent_keeps_back(
    agent: str, headers: dict[str, str], kind: str, make: str, client: str
) -> None:
    """Model, form and browser; what an agent says in words of a TV stands against them."""
    told = describe(agent, read_hints(headers))

    assert told.kind == kind
    assert make in ("", told.make)
    assert agent == _TIZEN or told.client == client


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-ch-ua-model": "no quotes"},
        {"sec-ch-ua-model": '"' + "A" * 100_000 + '"'},
        {"sec-ch-ua-model": '"a\x00b"'},
        {"sec-ch-ua-model": '"\u0430"'},
        {"sec-ch-ua-mobile": "yes"},
        {"sec-ch-ua-form-factors": '"Toaster"'},
        {"sec-ch-ua": "((((" * 1_000},
        {"sec-ch-ua-platform": '"a", "b"'},
    ],
)
def test_what_cannot_be_read_counts_as_not_sent(headers: dict[str, str]) -> None:
    """As structured fields are to be read: whole, or not at all."""
    assert read_hints(headers) == NO_HINTS


@given(st.dictionaries(st.sampled_from(["sec-ch-ua", "sec-ch-ua-model", "sec-ch-ua-platform"]), st.text(max_size=80)))
def test_no_hint_is_too_strange(headers: dict[str, str]) -> None:
    """Whatever they hold, a device is described, in words that can be shown."""
    told = describe(_PHONE, read_hints(headers))

    assert told.label.isprintable()


def test_a_model_cannot_close_the_bracket_it_stands_in() -> None:
    """And pass for something else."""
    hints = read_hints({"sec-ch-ua-model": '"K) PlayStation (x;"'})

    assert hints.applied_to(_PHONE).count("(") == _PHONE.count("(")


def test_every_hint_that_is_asked_for_is_read() -> None:
    """None is collected for nothing."""
    asked = {name.lower(): value for name, value in zip(ACCEPT_CH.split(", "), ('"A"', '"Tablet"'), strict=True)}

    assert None not in (read_hints(asked).form, read_hints(asked).model or None)
