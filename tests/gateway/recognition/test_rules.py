"""What an agent says in so many words."""

import pytest

from latchstring_gateway.recognition.rules import _RULES, kind_said


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("Mozilla/5.0 (PlayStation 5/SmartTV) AppleWebKit/605.1.15", "console"),
        ("Mozilla/5.0 (X11; Linux armv7l) Chrome/72.0 CrKey/1.0.999999 VIZIO SmartCast(Conjure/SX7A)", "tv"),
        ("Mozilla/5.0 (X11; Linux armv7l) Chrome/90.0 CrKey/1.56.500000", "stick"),
        ("Mozilla/5.0 (X11; Linux armv7l) Chrome/90.0 CrKey/1.56.500000 DeviceType/SmartSpeaker", "speaker"),
        ("Mozilla/5.0 (Linux; Android 9; X) Chrome/113.0 YaBrowser/23.1.0.29 (lite) TV Safari/537.36", "tv"),
        ("Mozilla/5.0 (Linux; Android 11; X) Chrome/83.0 YaBrowser/24.1.2.87 (lite) Safari/537.36 TV", "tv"),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", "privacy_proxy"),
        ("Acme-Crawler/1.0", "bot"),
        ("Mozilla/5.0 (compatible; ExampleBot/2.0)", "bot"),
        ("Mozilla/5.0 (Linux; Android 9; CUBOT X19) Chrome/79.0 Mobile Safari/537.36", None),
        ("Mozilla/5.0 (Linux; Android 6.0; RIVIERA U963) Chrome/84.0 Mobile Safari/537.36", None),
        ("Mozilla/5.0 (Linux; Android 7.0; Positivo Slim) Chrome/85.0 Mobile Safari/537.36", None),
        ("Mozilla/5.0 Linux; Android 7.1.2; NEXBOX-A95X Build/NEXBOX-A95X; wv", None),
    ],
)
def test_the_first_rule_with_a_word_decides(agent: str, kind: str | None) -> None:
    """And a word inside another name is none."""
    assert kind_said(f" {agent.lower()}") == kind


def test_the_quick_look_for_any_word_misses_none() -> None:
    """Each word alone, between letters, is seen and decides, if only for an earlier rule."""
    missed = [word for _, words in _RULES for word in words if kind_said(f"x{word}x") is None]

    assert missed == []
