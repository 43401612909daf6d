"""Ids have one spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.ids import is_id, new_id, to_bytes, to_text


@given(st.binary(min_size=16, max_size=16))
def test_bytes_and_text_of_an_id_are_one_to_one(raw: bytes) -> None:
    """22 characters there and 16 bytes back."""
    text = to_text(raw)

    assert is_id(text)
    assert to_bytes(text) == raw


@pytest.mark.parametrize(
    "text",
    ["", "A" * 21, "A" * 23, "A" * 21 + "=", "A" * 21 + "B", "A" * 21 + "+", "A" * 21 + "\u0410", "A" * 22 + "\n"],
)
def test_any_other_spelling_is_refused(text: str) -> None:
    """Too short, too long, padded, of another alphabet, or with bits in the last character that say nothing."""
    with pytest.raises(ValueError):
        to_bytes(text)


def test_new_ids_differ() -> None:
    """128 random bits each."""
    made = {new_id() for _ in range(1_000)}

    assert len(made) == 1_000
    assert all(map(is_id, made))
