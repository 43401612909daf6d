"""Sketches of visitors: parts put together are the whole, byte for byte, and the number is right."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latchstring_gateway.shipping.visitors import EXACT_UP_TO, RELATIVE_ERROR, number, sketch, together

_PARTS = st.lists(st.lists(st.integers(0, 40_000), max_size=30), max_size=12)


@given(_PARTS)
def test_parts_together_are_the_sketch_of_the_whole(parts: list[list[int]]) -> None:
    """However a set is divided and repeated, hours add up to the same month."""
    whole = sketch(str(visitor) for part in parts for visitor in part)

    assert together(sketch(map(str, part)) for part in parts) == whole
    assert number(whole) == len({visitor for part in parts for visitor in part})


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(4_000, 30_000), hours=st.integers(1, 24))
def test_large_parts_together_are_the_sketch_of_the_whole_too(seed: int, size: int, hours: int) -> None:
    """Where the number is no longer exact, it still does not depend on how the set was divided, or in which order."""
    chance = random.Random(seed)
    visitors = [str(chance.getrandbits(64)) for _ in range(size)]
    parts = [chance.choices(visitors, k=size // 2) for _ in range(hours - 1)]

    assert together(map(sketch, [visitors[::-1], *parts])) == sketch(visitors)


@pytest.mark.parametrize("size", [0, 1, EXACT_UP_TO, 100_000])
def test_number_is_exact_for_few_and_close_for_many(size: int) -> None:
    """Within four standard errors."""
    found = number(sketch(f"visitor {n}" for n in range(size)))

    assert abs(found - size) <= (0 if size <= EXACT_UP_TO else 4 * RELATIVE_ERROR * size)


def test_nothing_together_is_nobody() -> None:
    """An empty hour has no visitors."""
    assert number(together([])) == 0
