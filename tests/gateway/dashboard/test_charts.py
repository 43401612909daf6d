"""Shapes of charts: inside their box, from zero, in proportion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.dashboard import charts

_VALUES = st.lists(st.one_of(st.integers(0, 10**9), st.floats(0, 1e9)), max_size=60)


@given(_VALUES)
def test_everything_is_inside_the_box(values: list[float]) -> None:
    """Whatever the figures, nothing is drawn over the words beside it."""
    words = ["x"] * len(values)
    drawn = charts.line(values, words)
    bars, _ = charts.columns(values, words)

    assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y, _ in drawn.points)
    assert all(bar.x >= 0 and bar.x + bar.width <= 100.01 and 0 <= bar.y <= 100 for bar in bars)
    assert all(abs(bar.y + bar.height - 100) <= 0.02 for bar in bars), "bars begin at zero"
    assert all(0 <= mark.y <= 100 for mark in drawn.marks)
    assert all(0 <= length <= 100 for length in charts.lengths(values))


@given(_VALUES)
def test_heat_rises_with_the_value_and_nothing_is_nothing(values: list[float]) -> None:
    """More is never paler; the least there is differs from nothing."""
    steps = charts.heat(values)

    assert all((step == 0) == (value <= 0) for step, value in zip(steps, values, strict=True))
    assert [step for _, step in sorted(zip(values, steps, strict=True))] == sorted(steps)
    assert max(steps, default=0) in (0, charts.HEAT_STEPS)


@pytest.mark.parametrize(
    ("most", "top"),
    [(0, 1), (0.2, 1), (1, 1), (1.2, 1.5), (7, 8), (104, 150), (150, 150), (999, 1_000), (1_001, 1_500)],
)
def test_scales_end_at_round_numbers(most: float, top: float) -> None:
    """At least the largest figure, and not far above it."""
    assert charts.scale_top(most) == pytest.approx(top)


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (7.5, "7.5"), (850, "850"), (1_200, "1.2k"), (3e6, "3M"), (2.5e9, "2.5G")]
)
def test_numbers_on_a_scale_are_short(value: float, words: str) -> None:
    """Four characters beside a chart on a phone."""
    assert charts.short(value) == words


def test_no_figures_are_no_line() -> None:
    """An empty answer draws an empty box."""
    drawn = charts.line([], [])

    assert (drawn.line, drawn.area, drawn.points) == ("", "", [])
