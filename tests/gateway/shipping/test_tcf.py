"""TCF strings: the purposes are those that the format names; anything else says nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.people import tcf
from latchstring_gateway.shipping.tcf import purposes

#: The example of the specification's repository.
EXAMPLE = "COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA"


def test_the_published_example() -> None:
    """A real string, with and without the segments that may follow its core."""
    assert purposes(EXAMPLE) == {2, 10}
    assert purposes(EXAMPLE + ".IBAgAAAgAIAwgAgAAAAEAAAACA.QAagAQAgAIAwgA") == {2, 10}


@given(st.sets(st.integers(1, 24)))
def test_every_purpose_is_read_by_its_own_bit(agreed: set[int]) -> None:
    """Number one is the first of the 24 bits."""
    assert purposes(tcf(agreed)) == agreed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "granted",
        "C",
        "C" * 31,
        tcf({1}, version=1),
        tcf({1}, version=3),
        "C" + "=" * 40,
        "C" + "é" * 40,
        "C" * 31 + "\n",
    ],
)
def test_what_is_no_tcf_string_says_nothing(text: str) -> None:
    """Neither another version, nor a shorter text, nor other characters agree to anything."""
    assert purposes(text) is None


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    """It comes from the network."""
    purposes(text)
