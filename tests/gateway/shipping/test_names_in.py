"""The words of a refused hit: a name is found in whatever form trackers send it."""

import base64
import json
from time import process_time
from urllib.parse import quote

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


@pytest.mark.parametrize(
    "name",
    ["j\u00f6rg@example.de", "o'brien@example.com", "Ada Lovelace", "\u0645\u0631\u062d\u0628\u0627", "\U0001f600"],
)
def test_a_name_in_any_language_is_found(name: str) -> None:
    """Names were measured by the letters of ASCII: a dead letter with any other outlived its erasure."""
    coded = quote(name).encode()
    for text in (
        json.dumps({"user": name, "n": 1}).encode(),
        json.dumps({"user": name}, ensure_ascii=False).encode(),
        b"/b.gif?p=/a&user=" + coded + b"&x=1",
        b"/b.gif?user=" + coded.replace(b"%20", b"+"),
        b"user=" + name.encode() + b"&p=1",
        b"cx=" + base64.urlsafe_b64encode(json.dumps({"data": [{"uid": name}]}).encode()).rstrip(b"="),
    ):
        assert name in set(names_in(text)), text


def test_a_part_of_a_word_is_no_name() -> None:
    """Nobody else's hit goes because a name stands inside another."""
    assert "ada" not in set(names_in(b'{"user":"adalbert"}&x=ada.lovelace'))


def test_a_megabyte_of_marks_is_read_in_linear_time() -> None:
    """Of opened quotes, escapes and percent signs."""
    for piece in (b'"', b'"\\', b'\\"', b"%", b"&", b'"a '):
        begun = process_time()
        list(names_in(piece * (500_000 // len(piece)), 3))
        assert process_time() - begun < 3


@given(st.binary(max_size=400))
def test_no_bytes_break_it(text: bytes) -> None:
    """It reads what nobody could read before."""
    list(names_in(text))
