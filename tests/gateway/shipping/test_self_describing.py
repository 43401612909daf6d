"""Self-describing JSON and its base64: one reading each, and codes for what is none."""

import json
from base64 import b64encode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.shipping.event import RefusalError
from latchstring_gateway.shipping.self_describing import read_base64, read_json, self_describing


@given(st.binary(max_size=40))
def test_base64_in_any_of_its_spellings(data: bytes) -> None:
    """Both alphabets, with and without padding."""
    for text in (b64encode(data).decode(), urlsafe_b64encode(data).decode()):
        assert read_base64(text, "bad") == data
        assert read_base64(text.rstrip("="), "bad") == data


@pytest.mark.parametrize("text", ["a", "a===b", "ab cd", "ab\ncd", "é", "abc%3D"])
def test_what_is_no_base64(text: str) -> None:
    """Nothing is skipped to make it one."""
    with pytest.raises(RefusalError, match="bad"):
        read_base64(text, "bad")


@given(st.text(st.characters(codec="utf-16", categories=None) | st.characters(categories=["Cs"]), max_size=12))
def test_json_with_halves_of_surrogate_pairs(text: str) -> None:
    """Each half becomes U+FFFD and all else stays, as a reader that replaces them has it."""
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    found = read_json(json.dumps({"text": text}).encode(), "bad")["text"]

    assert found.replace("�", "") == expected.replace("�", "")
    assert found.encode().decode() == found


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 200_000, b"\xff", b'"\\ud800', b"nan"])
def test_what_is_no_json(text: bytes) -> None:
    """Also what is too deep."""
    with pytest.raises(RefusalError, match="bad"):
        read_json(text, "bad")


def test_schema_has_four_parts() -> None:
    """Vendor, name, format, version."""
    found = self_describing({"schema": "iglu:com.acme/a-b_c/jsonschema/1-0-2", "data": None}, "bad")

    assert (found.vendor, found.name, found.version, found.data) == ("com.acme", "a-b_c", "1-0-2", None)
    assert found.plain() == {"schema": "iglu:com.acme/a-b_c/jsonschema/1-0-2", "data": None}
    for bad in (
        "com.acme/a/jsonschema/1-0-0",
        "iglu:a/b/avro/1-0-0",
        "iglu:a/b/jsonschema/1",
        "iglu:a/b/jsonschema/1-0-0\n",
    ):
        with pytest.raises(RefusalError):
            self_describing({"schema": bad, "data": 1}, "bad")
    with pytest.raises(RefusalError):
        self_describing({"schema": "iglu:a/b/jsonschema/1-0-0"}, "bad")
