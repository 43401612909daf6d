"""Numbers and instants in every spelling that clients use; docs/beacons.md says which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.shipping.numbers import MAX_COUNT, instant_ms, number, whole


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (7, 7),
        ("7", 7),
        ("0061", 61),
        (22345.0, 22_345),
        ("22345.0", 22_345),
        (12345.678, 12_346),
        ("12345.678", 12_346),
        (0.5, 1),
        ("1e3", 1_000),
        ("1.796E12", 1_796_000_000_000),
        ("1.23457e+07", 12_345_700),
        (" 123", 123),
        ("+5", 5),
        (".9", 1),
        ("7.", 7),
        (-0.25, 0),
        (MAX_COUNT, MAX_COUNT),
    ],
)
def test_whole_number_in_each_spelling(said: object, found: int) -> None:
    """A fraction, an exponent or quotes made `bad_position_ms` or `bad_time` of it, and lost the event."""
    assert whole(said) == found


@pytest.mark.parametrize(
    "said",
    [
        True, None, [], {}, "", "x", "1:30", "0x10", "1_000", "1,5", "\u0661", "nan", "inf", "-1", -1, -0.6, 2**53,
        10**310, float("nan"), float("inf"), "1e999", "9" * 40, "1" * 5_000,
    ],
)  # fmt: skip
def test_what_is_no_whole_number(said: object) -> None:
    """Booleans, other digits and bases, the negative and the endless."""
    assert whole(said) is None


@pytest.mark.parametrize(
    ("said", "at_ms"),
    [
        ("1796000000000", 1_796_000_000_000),
        (1_796_000_000_000, 1_796_000_000_000),
        (1796000000000.4, 1_796_000_000_000),
        (1_796_000_000, 1_796_000_000_000),
        (1796000000.123, 1_796_000_000_123),
        ("1796000000", 1_796_000_000_000),
        ("2026-11-30T10:13:20Z", 1_796_033_600_000),
        ("2026-11-30T10:13:20.250Z", 1_796_033_600_250),
        ("2026-11-30T11:13:20+01:00", 1_796_033_600_000),
        ("2026-11-30T10:13:20", 1_796_033_600_000),
        ("2026-11-30 10:13:20", 1_796_033_600_000),
        (0, 0),
        # A TV whose clock began in 1970, up for ten days.
        (864_000_000, 864_000_000),
    ],
)
def test_instant_in_each_spelling(said: object, at_ms: int) -> None:
    """Milliseconds, seconds and ISO 8601, as a number or as text."""
    assert instant_ms(said) == at_ms


@pytest.mark.parametrize(
    "said",
    [
        "yesterday", "2026-11-30", "2026-13-30T10:00:00Z", "2026-11-30T25:00:00Z", "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", -1, 7_258_118_400_001, True, None, [], "T" * 5_000,
    ],
)  # fmt: skip
def test_what_is_no_instant(said: object) -> None:
    """A day alone is none, nor what lies before 1970 or past 2200."""
    assert instant_ms(said) is None


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()))
def test_anything_is_a_number_or_none(said: object) -> None:
    """Nothing raises, and what is found is finite and in range."""
    assert number(said) is None or abs(number(said) or 0) < 1e400
    assert 0 <= (whole(said) or 0) <= MAX_COUNT
    assert 0 <= (instant_ms(said) or 0) <= 7_258_118_400_000
