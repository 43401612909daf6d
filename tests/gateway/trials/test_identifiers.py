"""One spelling for each identifier, one tag for each spelling, and nothing for what identifies nobody."""

from typing import Any

import pytest

from latchstring_gateway.errors import BadRequest
from latchstring_gateway.tokens.keyfile import KeyState, RingKey
from latchstring_gateway.trials.identifiers import Identifier, Identifiers, may_be_shared, normalised, rows, tag

_KEYS = [RingKey(f"tEst0{n}", KeyState.ACTIVE, 0, 0, bytes([n] * 32)) for n in (1, 2)]
_ID = "3q2-7wAAAAAAAAAAAAAAAA"


def _values(**asked: Any) -> list[str]:
    return [one.value for one in normalised(Identifiers(**asked))[0]]


@pytest.mark.parametrize(
    ("kind", "spellings", "value"),
    [
        ("email", ["ada@example.com", " Ada@EXAMPLE.com ", "ada+trial2@example.com"], "ada@example.com"),
        ("email", ["a.da@gmail.com", "ada@googlemail.com", "A.D.A+x@GMail.com"], "ada@gmail.com"),
        ("email", ["ada@bücher.example", "ada@xn--bcher-kva.example"], "ada@xn--bcher-kva.example"),
        ("phone", ["+31 20 123 4567", "+31(20)123-4567", "+31.20.123.4567"], "+31201234567"),
        ("card", ["fp_9Zk2AbC", " fp_9Zk2AbC"], "fp_9Zk2AbC"),
        ("device", [_ID], _ID),
        ("hardware", ["AA:BB:CC:DD:EE:0F", "aa-bb-cc-dd-ee-0f", "aabbccddee0f "], "aabbccddee0f"),
    ],
)
def test_spellings_of_one_identifier_are_one(kind: str, spellings: list[str], value: str) -> None:
    """However it was typed; and each counts once."""
    assert _values(**{kind: spellings}) == [value]


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        ("email", "ada", "bad_email"),
        ("email", "@example.com", "bad_email"),
        ("email", "+x@example.com", "bad_email"),
        ("email", "...@gmail.com", "bad_email"),
        ("email", "a da@example.com", "bad_email"),
        ("email", "ada@", "bad_email"),
        ("email", "ada@" + "x" * 64 + ".example", "bad_email"),
        ("email", "ada\x00@example.com", "bad_identifier"),
        ("phone", "020 123 4567", "bad_phone"),
        ("phone", "+0201234567", "bad_phone"),
        ("phone", "+1234567890123456", "bad_phone"),
        ("card", "4111 1111 1111 1111", "card_number"),
        ("card", "4111-1111-1111-1111", "card_number"),
        ("device", "short", "bad_device_id"),
        ("device", "3q2-7wAAAAAAAAAAAAAAAB", "bad_device_id"),
        ("hardware", "tv\n1", "bad_identifier"),
    ],
)
def test_what_is_no_identifier_is_refused(kind: str, text: str, code: str) -> None:
    """With a code that names the mistake; a card's number above all."""
    with pytest.raises(BadRequest) as refused:
        normalised(Identifiers(**{kind: [text]}))

    assert refused.value.code == code
    assert kind == "email" or text not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["unknown", "00:00:00:00:00:00", "02:00:00:00:00:00", "N/A", "  ", "To be filled by O.E.M."]
)
def test_hardware_that_says_nothing_is_told_and_left_out(text: str) -> None:
    """Half of the world's cheap TV boxes would share it."""
    assert normalised(Identifiers(hardware=[text, "real-1"])) == ([Identifier("hardware", "real1")], ["hardware"])


def test_fifteen_digits_that_are_no_card_are_a_fingerprint() -> None:
    """Without the check digit it is somebody's id."""
    assert _values(card=["4111111111111112"]) == ["4111111111111112"]


def test_only_hardware_may_be_shared() -> None:
    """Everything else is given to one person, or by us to one device."""
    every = Identifiers(email=["a@b.example"], phone=["+31201234567"], card=["x"], device=[_ID], hardware=["tv1"])

    assert [one.kind for one in normalised(every)[0] if may_be_shared(one)] == ["hardware"]


def test_a_tag_is_of_one_key_trial_kind_and_value() -> None:
    """Nothing that is known about one says anything about another."""
    value = Identifier("email", "ada@example.com")
    tags = [
        tag(_KEYS[0], "free-month", value),
        tag(_KEYS[1], "free-month", value),
        tag(_KEYS[0], "free-year", value),
        tag(_KEYS[0], "free-month", Identifier("account", "ada@example.com")),
        tag(_KEYS[0], "free-month", Identifier("email", "bob@example.com")),
    ]

    assert len(set(tags)) == 5
    assert {len(one) for one in tags} == {22}
    # Fixed for ever: a changed derivation forgets every claim.
    assert tags[0] == "VSHewm6_78EHmbBh3jeHMg"


def test_rows_are_a_tag_for_each_key() -> None:
    """Row after row, as the script reads them."""
    both = [Identifier("account", "ada"), Identifier("card", "x")]

    assert rows(_KEYS, "free-month", both) == [tag(key, "free-month", one) for one in both for key in _KEYS]
