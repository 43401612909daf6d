"""The limits of what a token may say, and docs/tokens.md against the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from latchstring_gateway.tokens.codec import Codec, Reason
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.purposes import (
    RETURN_TARGET_MAX_CHARS,
    Choices,
    DashboardVisit,
    DeviceToken,
    Lease,
    MailLink,
    OpenPixel,
    OperatorCall,
    ReturnTo,
    VisitorToken,
    WaitingSignIn,
)

_KINDS = (
    Lease, DeviceToken, ReturnTo, OperatorCall, Choices, VisitorToken, MailLink, OpenPixel, DashboardVisit,
    WaitingSignIn,
)  # fmt: skip
DOCUMENT = Path(__file__).parents[3] / "docs" / "tokens.md"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("session", b"s" * 15),
        ("session", b"s" * 17),
        ("device", b""),
        ("run", b"12345"),
        ("run", b"1234567"),
        ("account", ""),
        ("account", "a" * 256),
        ("account", "ada\n"),
        ("account", "ada lovelace"),
        ("account", "ada\0"),
        ("account", "ada\u00a0"),
        ("account", "a\u202eb"),
        ("n", -1),
        ("n", 2**53),
        ("n", 1.0),
        ("n", True),
        ("generation", -1),
        ("issued_at_ms", None),
        ("remembered", 1),
    ],
)
def test_lease_outside_its_limits_is_not_sealed(codec: Codec, lease: Lease, field: str, value: Any) -> None:
    """A lease with a field of the wrong length, alphabet, sign or type is an error of the caller, never a token."""
    with pytest.raises(ValueError):
        codec.seal(structs.replace(lease, **{field: value}))


@pytest.mark.parametrize("account", ["a", "a" * 255, "A.b_c:d@e+f-9", "+", "-", "j\u00f6rg", "auth0|5f"])
def test_account_within_its_limits_comes_back(codec: Codec, lease: Lease, account: str) -> None:
    """Every account id that the API takes survives a token."""
    named = structs.replace(lease, account=account)

    assert codec.open(codec.seal(named), Lease) == named


@pytest.mark.parametrize("target", ["", "watch", "https://evil.example/", "/a b", "/a\nb", "/a\x7f", "/ä", "/" * 701])
def test_return_target_outside_its_limits_is_not_sealed(codec: Codec, target: str) -> None:
    """A return target is visible ASCII that begins with a slash, short enough for a token."""
    with pytest.raises(ValueError):
        codec.seal(ReturnTo(target, 0))


def test_longest_return_target_fits_a_token(codec: Codec) -> None:
    """The stated limit is one that can be used."""
    longest = ReturnTo("/" + "x" * (RETURN_TARGET_MAX_CHARS - 1), 2**53 - 1)

    assert codec.open(codec.seal(longest), ReturnTo) == longest


def test_session_cookie_stays_under_300_bytes(codec: Codec, lease: Lease) -> None:
    """With the longest account and the largest numbers, name and value of the session cookie are under 300 bytes."""
    largest = structs.replace(
        lease,
        account="a" * 64,
        n=2**53 - 1,
        generation=2**53 - 1,
        authenticated_at_ms=2**53 - 1,
        issued_at_ms=2**53 - 1,
        fresh_until_ms=2**53 - 1,
        lease_end_ms=2**53 - 1,
    )

    assert len(b"__Host-session=" + codec.seal(largest)) < 300


def test_purposes_are_told_apart() -> None:
    """No two structs share a purpose, or a token of one would open as the other."""
    assert len({kind.purpose for kind in _KINDS}) == len(_KINDS)


class TestDocument:
    """docs/tokens.md against the code."""

    def test_worked_example(self, codec: Codec, lease: Lease, test_key: RingKey) -> None:
        """The documented key makes the documented token, byte for byte."""
        text = DOCUMENT.read_text()

        assert codec.seal(lease).decode() in text.splitlines()
        assert test_key.derive(Lease.purpose).hex() in text
        assert f'"secret": "{json.loads(dump([test_key]))["keys"][0]["secret"]}"' in text

    def test_every_reason_and_purpose_is_explained(self) -> None:
        """Each reason for a refusal, each purpose and each state of a key has its line."""
        text = DOCUMENT.read_text()
        names = [*Reason, *(kind.purpose.decode() for kind in _KINDS), *KeyState]

        assert [name for name in names if f"| `{name}` |" not in text] == []

    def test_tests_that_hold_the_traps_exist(self) -> None:
        """Every test that the table of traps names is there."""
        named = set(re.findall(r"`(test_\w+)`", DOCUMENT.read_text()))
        sources = "".join(path.read_text() for path in DOCUMENT.parents[1].glob("tests/**/test_*.py"))

        assert {name for name in named if f"def {name}(" not in sources} == set()
