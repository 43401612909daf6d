"""Spans and instants in words."""

import pytest

from latchstring_gateway.cli.words import relative, span


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 s"),
        (999, "0 s"),
        (1_000, "1 s"),
        (-61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (90_061_000, "1 d 1 h"),
        (400 * 86_400_000, "1 y 35 d"),
    ],
)
def test_span_names_its_two_largest_units(milliseconds: int, words: str) -> None:
    """A span is told by at most two units, the largest first."""
    assert span(milliseconds) == words


@pytest.mark.parametrize(("at_ms", "words"), [(10_000, "now"), (10_999, "now"), (12_000, "in 2 s"), (5_000, "5 s ago")])
def test_relative_tells_past_from_future(at_ms: int, words: str) -> None:
    """An instant is told as seen from ten seconds past the epoch."""
    assert relative(at_ms, 10_000) == words
