"""JSON as clients really send it: one slip costs the value it is in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.shipping.loose_json import UNREADABLE, items, read, without_mark


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"x":NaN,"y":[-Infinity,1e999]}', {"x": UNREADABLE, "y": [UNREADABLE, UNREADABLE]}),
        (b'"cut \\ud83d"', "cut \ufffd"),
        (b'"\\ud83d\\ude00 \\\\ud83d"', "\U0001f600 \\ud83d"),
        (b'"caf\xe9"', "caf\ufffd"),
        (b'"a\tb"', "a\tb"),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"x":' + b"9" * 5_000 + b"}", {"x": UNREADABLE}),
    ],
)
def test_a_slip_costs_its_own_value(text: bytes, value: object) -> None:
    """Each of these was no JSON at all, and lost the whole body."""
    assert read(text) == value


@pytest.mark.parametrize("text", [b"", b"x", b'{"a":', b"{'a':1}", b"[" * 100_000, b'{"a":1}}', b"\xff\xfe"])
def test_what_is_no_json_is_none(text: bytes) -> None:
    """ValueError, whatever it is."""
    with pytest.raises(ValueError, match=r"expected|Expecting|Extra data|Unterminated|depth"):
        read(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"[]", []),
        (b" [1, 2 ] ", [b"1", b"2"]),
        (b'[{"a":[1,2]},"x,]",[3]]', [b'{"a":[1,2]}', b'"x,]"', b"[3]"]),
        (b'["\\"],", 2]', [b'"\\"],"', b"2"]),
        (b'[{"a":1},{"b":', [b'{"a":1}', b'{"b":']),
        (b'["open', [b'"open']),
        (b"[1] 2", None),
        (b"[1]\n[2]", None),
        (b'{"a":[1]}', None),
        (b"", None),
    ],
)
def test_items_of_an_array(text: bytes, found: list[bytes] | None) -> None:
    """Good or bad, cut off or not; what is more or less than one array has none."""
    assert items(text) == found


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(_JSON, max_size=6))
def test_good_json_is_read_as_it_is(values: list[Any]) -> None:
    """Apart and together."""
    text = json.dumps(values).encode()

    assert read(text) == values
    assert [read(item) for item in items(text) or []] == values


@given(st.binary(max_size=80))
def test_any_bytes_have_items_or_none(text: bytes) -> None:
    """No item holds more than was there."""
    found = items(b"[" + text)

    assert found is None or sum(map(len, found)) <= len(text)


def test_byte_order_mark_is_skipped() -> None:
    """.NET and PowerShell write it; it is no part of the text."""
    assert without_mark(b"\xef\xbb\xbf{}") == without_mark(b"{}") == b"{}"
