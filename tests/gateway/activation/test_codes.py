"""Codes: enough of them, readable, and forgiving to who types them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.activation.codes import (
    FORMS,
    CodeForm,
    make_device_code,
    partition_of_code,
    read_device_code,
)

LETTERS, DIGITS = FORMS["letters"], FORMS["digits"]


def test_there_are_as_many_codes_as_the_rfc_counts() -> None:
    """20^8 and 10^9 (RFC 8628 section 6.1)."""
    assert (LETTERS.space, DIGITS.space) == (20**8, 10**9)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_code_is_read_as_it_is_shown(form: CodeForm) -> None:
    """Whatever is made comes back, with and without what stands between its groups."""
    code = form.make()

    assert form.read(code) == code
    assert form.read(form.shown(code)) == code


@pytest.mark.parametrize(
    "typed",
    [
        "wdjb-mjht",
        "  WDJB MJHT ",
        "W.D.J.B.M.J.H.T",
        "WDJB\u2014MJHT",
        "\uff37\uff24\uff2a\uff22\uff2d\uff2a\uff28\uff34",  # full width
        "WDJB-\u041cJ\u041d\u0422",  # Cyrillic M, H, T
        "WDJB-\u039c\u0408\u0397\u03a4",  # Greek M, Cyrillic J, Greek H and T
        "WDJ8-MJHT",
        "WDJB\u200b-MJHT\n",
    ],
)
def test_look_alikes_and_whatever_stands_between_are_forgiven(typed: str) -> None:
    """Case, spaces, dashes, full width, Cyrillic and Greek letters, and 8 for B."""
    assert LETTERS.read(typed) == "WDJBMJHT"


@pytest.mark.parametrize(
    "typed", ["123-456-789", "l23 456 789", "\u0661\u0662\u0663456789", "I23.456.789", "123456 7b9"]
)
def test_digits_of_other_scripts_and_letters_like_digits_are_forgiven(typed: str) -> None:
    """A TV shows digits; keyboards differ."""
    assert DIGITS.read(typed) == "123456789"


@pytest.mark.parametrize(
    "typed", ["", "WDJBMJH", "WDJBMJHTT", "ADJBMJHT", "WDJB-MJH0", "\u0416DJBMJHT", "W" * 100, "-" * 64, "\x00"]
)
def test_what_cannot_be_a_code_is_none(typed: str) -> None:
    """Too short, too long, a vowel, a zero, a letter that looks like none of ours."""
    assert LETTERS.read(typed) is None


@given(st.text(max_size=80))
def test_whatever_is_typed_is_a_code_or_nothing(typed: str) -> None:
    """No input raises, and nothing outside of the alphabet gets through."""
    for form in FORMS.values():
        code = form.read(typed)

        assert code is None or (len(code) == form.length and set(code) <= set(form.alphabet))


def test_a_device_code_tells_its_partition_and_keeps_its_secret_to_itself() -> None:
    """256 random bits, of which only the hash is known to the store."""
    text = make_device_code(0x3F)
    code = read_device_code(text)

    assert code is not None
    assert (code.partition, len(text), len(code.sha256)) == (0x3F, 45, 64)
    assert text[2:] not in code.sha256
    assert make_device_code(0x3F) != text


@pytest.mark.parametrize("text", ["", "3f", "3F" + "a" * 43, "zz" + "a" * 43, "3f" + "a" * 44, "3f" + "a" * 43 + "\n"])
def test_what_is_no_device_code_is_none(text: str) -> None:
    """Another length, case or alphabet."""
    assert read_device_code(text) is None


def test_partitions_are_evenly_used() -> None:
    """No partition holds more codes than its share."""
    assert len({partition_of_code(LETTERS.make()) for _ in range(4_000)}) == 256
