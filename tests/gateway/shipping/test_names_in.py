"""The words of a refused hit: a name is found in whatever form trackers send it."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.shipping.names_in import names_in

_NAME = "ada+7f3a9c@example.com"


@pytest.mark.parametrize(
    "text",
    [
        b"/b.gif?p=/a&user=ada+7f3a9c@example.com&x=1",
        b"/b.gif?user=ada%2B7f3a9c%40example.com",
        json.dumps({"user": _NAME, "n": [1]}).encode(),
        b"not json at all: " + _NAME.encode() + b"\n",
        b"cx=" + base64.urlsafe_b64encode(json.dumps({"data": [{"uid": _NAME}]}).encode()).rstrip(b"="),
        b"ue_px=" + base64.b64encode(b'{"x":"' + base64.b64encode(b'{"user":"' + _NAME.encode() + b'"}') + b'"}'),
    ],
)
def test_a_name_is_found(text: bytes) -> None:
    """In a query, percent-encoded, in JSON, in rubbish, and in base64 of either alphabet, twice over."""
    assert _NAME in set(names_in(text))


def test_a_part_of_a_word_is_no_name() -> None:
    """Nobody else's hit goes because a name stands inside another."""
    assert "ada" not in set(names_in(b'{"user":"adalbert"}&x=ada.lovelace'))


@given(st.binary(max_size=400))
def test_no_bytes_break_it(text: bytes) -> None:
    """It reads what nobody could read before."""
    list(names_in(text))
