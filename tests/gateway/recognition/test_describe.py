"""What a user agent is called by a person."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import latchstring_gateway
from latchstring_gateway.recognition.describe import MAX_AGENT_CHARS, _describe, describe

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
        (_TIZEN, "tv", "Samsung TV"),
        (_PS5, "console", "Sony PlayStation 5"),
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


@pytest.mark.parametrize(
    "agent",
    [
        "A" * 100_000,
        "(" * 100_000,
        "; Build/" * 12_500,
        "Android 9; " * 10_000,
        "HbbTV/1.1.1 (;" * 8_000,
        "LG Browser/1(LGE; " * 6_000,
        "smart tv safari/" * 6_000,
        "\x00\x01\r\n\x7f\x1b[2J" * 10_000,
        "4" * 100_000,
        "AFT" * 30_000,
    ],
)
def test_a_hundred_kilobytes_are_harmless(agent: str) -> None:
    """Whatever they are made of: described in a few milliseconds, and nothing of them that cannot be shown."""
    describe("")
    began = time.process_time()

    described = describe(agent)

    assert time.process_time() - began < 0.05
    assert all(len(text) <= MAX_AGENT_CHARS + 3 and text.isprintable() for text in (described.label, described.make))


def test_only_so_many_agents_are_remembered() -> None:
    """And of each no more than its beginning, so that nobody fills the memory with agents of his own."""
    for number in range(5_000):
        describe(f"{number:0100000d}"[-MAX_AGENT_CHARS - 50_000 :])

    assert _describe.cache_info().currsize <= 4_096


def test_control_bytes_are_left_out() -> None:
    """What stood between them is read as if they were not there."""
    assert describe("Mozilla/5.0 (Play\x00Station\x1b 5/SmartTV)").label == "Sony PlayStation 5"


def test_the_facade_and_its_callers_agree_on_one_recogniser() -> None:
    """Nobody but this room asks `user-agents` or ua-parser."""
    root = Path(latchstring_gateway.__file__).parent
    asking = {
        path.relative_to(root).parts[0]
        for path in root.rglob("*.py")
        if re.search(r"^(?:import|from) (?:user_agents|ua_parser|device_detector)", path.read_text(), re.MULTILINE)
    }

    assert asking == {"recognition"}
