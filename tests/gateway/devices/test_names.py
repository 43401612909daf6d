"""What a user agent is called by a person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.devices.names import MAX_AGENT_CHARS, describe

_CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
_IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 "
    "Mobile/15E148 Safari/604.1"
)
_TIZEN = (
    "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36"
)
_PS5 = "Mozilla/5.0 (PlayStation; PlayStation 5/6.50) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605"
_IPAD = (
    "Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 "
    "Safari/604.1"
)


@pytest.mark.parametrize(
    ("agent", "kind", "label"),
    [
        (_CHROME, "computer", "Chrome on Windows"),
        (_IPHONE, "phone", "Mobile Safari on iOS"),
        (_IPAD, "tablet", "Mobile Safari on iOS"),
        (_TIZEN, "tv", None),
        (_PS5, "console", None),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot", None),
        ("", "other", "Unknown device"),
        ("curl/8.0", "other", None),
    ],
)
def test_common_agents_are_called_what_people_call_them(agent: str, kind: str, label: str | None) -> None:
    """Kind for the icon, label for the list."""
    described = describe(agent)

    assert described.kind == kind
    assert label is None or described.label == label
    assert described.label


@given(st.text(max_size=200))
def test_no_agent_is_too_strange_to_describe(agent: str) -> None:
    """It never raises, and what it says can be shown."""
    described = describe(agent)

    for text in (described.label, described.model, described.os, described.client):
        assert text.isprintable()
    assert described.label


def test_a_long_agent_is_cut_before_it_is_parsed() -> None:
    """What lies beyond the limit changes nothing, so nobody buys minutes of regular expressions."""
    padded = _CHROME.ljust(MAX_AGENT_CHARS)

    assert describe(padded + " PlayStation" * 1_000) == describe(padded)
