"""System and browser of TVs, players and consoles: their own, never those that their engine is borrowed from."""

from pathlib import Path

import pytest

from latchstring_gateway.recognition.describe import describe
from latchstring_gateway.recognition.systems import browser_of, system_of


def _screens() -> list[list[str]]:
    lines = (Path(__file__).parent / "systems.tsv").read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


@pytest.mark.parametrize(("kind", "label", "os", "client", "agent"), _screens())
def test_a_screen_has_a_system_and_a_browser_of_its_own(
    kind: str, label: str, os: str, client: str, agent: str
) -> None:
    """A Fire TV on Vega OS was a phone, a PlayStation's browser "Safari on Windows", a Samsung TV's Safari."""
    found = describe(agent)

    assert found.kind == kind
    assert label in ("*", found.label)
    assert os in ("*", found.os)
    assert client in ("*", found.client)


def test_of_computers_and_phones_the_engine_is_right() -> None:
    """Nothing is changed there."""
    assert system_of("Windows", "computer", " windows nt 10.0", is_fire=False) == "Windows"
    assert browser_of("Safari", "computer", "Mac OS X") == "Safari"
    assert browser_of("Apple Mail", "phone", "iOS") == "Apple Mail"
