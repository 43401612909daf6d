"""A website's own signed cookies: only what we sealed, under its name, in time, in its one spelling, opens."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import TimestampSigner

from latchstring_middleware.cookies import set_cookie
from latchstring_middleware.signed_cookies import SignedCookies

NOW = 1_800_000_000
NAME = "__Host-basket"
OLD, NEW = b"o" * 32, b"n" * 32


def cookies(active: str = "k2", now: float = NOW, **keys: bytes) -> SignedCookies:
    """A ring at a moment."""
    return SignedCookies(keys or {"k1": OLD, "k2": NEW}, active, now_seconds=lambda: now)


@given(st.binary(max_size=200))
def test_what_was_sealed_opens(value: bytes) -> None:
    """Any bytes, and the sealed form is a cookie value as it stands."""
    sealed = cookies().seal(NAME, value)

    assert cookies().open(NAME, sealed, 60) == value
    assert sealed in set_cookie(NAME, sealed, max_age_seconds=60)


def test_text_is_sealed_as_utf8() -> None:
    """A str comes back as its bytes."""
    assert cookies().open(NAME, cookies().seal(NAME, "é"), 60) == "é".encode()


def test_itsdangerous_agrees_on_the_signature() -> None:
    """Anybody with itsdangerous and the key can check one."""
    sealed = cookies().seal(NAME, b"hello")
    signer = TimestampSigner(NEW, salt=NAME.encode(), key_derivation="hmac", digest_method=hashlib.sha256)

    assert signer.unsign(sealed) == b"k2.aGVsbG8"


def test_a_cookie_of_one_name_is_none_of_another() -> None:
    """The name is part of what is signed, with no way to shift bytes between name and value."""
    sealed = cookies().seal(NAME, b"hello")

    assert cookies().open("__Host-basket2", sealed, 60) is None
    assert cookies().open("__Host-baske", sealed, 60) is None
    assert cookies().open("", sealed, 60) is None


def test_keys_rotate() -> None:
    """The old key's cookies open until it is dropped, then no more."""
    old = cookies(active="k1").seal(NAME, b"x")

    assert old.startswith("k1.")
    assert cookies().open(NAME, old, 60) == b"x"
    assert cookies(k2=NEW).open(NAME, old, 60) is None


def test_a_key_id_does_not_lend_its_name_to_another_key() -> None:
    """The named key is the only one tried, and its id is signed."""
    sealed = cookies().seal(NAME, b"x")

    assert cookies().open(NAME, "k1" + sealed[2:], 60) is None
    assert cookies(active="k3", k3=NEW).open(NAME, "k3" + sealed[2:], 60) is None


@pytest.mark.parametrize(
    ("later_seconds", "opens"), [(0, True), (60, True), (61, False), (-60, True), (-61, False), (10**9, False)]
)
def test_a_cookie_has_its_time(later_seconds: int, opens: bool) -> None:
    """Not older than asked for; a minute from the future is a clock, more is not."""
    sealed = cookies().seal(NAME, b"x")

    assert (cookies(now=NOW + later_seconds).open(NAME, sealed, 60) is not None) is opens


SEALED = cookies().seal(NAME, b"hello")
KEY_ID, VALUE, STAMP, SIGNATURE = SEALED.split(".")


@pytest.mark.parametrize(
    "other",
    [
        "",
        ".",
        "...",
        SEALED + "=",
        SEALED + "==",
        SEALED + "\n",
        " " + SEALED,
        SEALED + "!!!!",
        SEALED + "é",
        SEALED.replace(".", ":"),
        SEALED + "." + SIGNATURE,
        f"{KEY_ID}.{VALUE}=.{STAMP}.{SIGNATURE}",
        f"{KEY_ID}.{VALUE}..{SIGNATURE}",
        f"{KEY_ID}.{VALUE}.{STAMP}.",
        f"{KEY_ID}.{STAMP}.{VALUE}.{SIGNATURE}",
        f"{KEY_ID}.{VALUE}{STAMP}.{SIGNATURE}",
        f"{KEY_ID}.{VALUE}.A{STAMP}.{SIGNATURE}",
        f"k9.{VALUE}.{STAMP}.{SIGNATURE}",
        f"..{VALUE}.{STAMP}.{SIGNATURE}",
        f"{KEY_ID}.A.{STAMP}.{SIGNATURE}",
        "k2." + "A" * 5000 + f".{STAMP}.{SIGNATURE}",
    ],
)
def test_anything_else_does_not_open(other: str) -> None:
    """Malformed, padded, lengthened or rearranged: no cookie, and no error."""
    assert cookies().open(NAME, other, 60) is None


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.mark.parametrize("last", [c for c in ALPHABET if c != SIGNATURE[-1]])
def test_a_signature_has_one_spelling(last: str) -> None:
    """The spare bits of its last character are not for playing with: itsdangerous alone takes three more spellings."""
    assert cookies().open(NAME, SEALED[:-1] + last, 60) is None


@given(st.integers(0, len(SEALED) - 1), st.characters())
def test_a_cookie_changed_in_any_place_does_not_open(place: int, character: str) -> None:
    """Every character counts."""
    changed = SEALED[:place] + character + SEALED[place + 1 :]

    assert cookies().open(NAME, changed, 60) == (b"hello" if changed == SEALED else None)


def test_a_cookie_browsers_would_drop_is_not_made() -> None:
    """Over 4096 bytes is an error here and silence there."""
    with pytest.raises(ValueError):
        cookies().seal(NAME, b"x" * 3_100)


@pytest.mark.parametrize(
    ("keys", "active"),
    [
        ({}, "k1"),
        ({"k1": OLD}, "k2"),
        ({"k1": b"short"}, "k1"),
        ({"k1": b""}, "k1"),
        ({"": OLD}, ""),
        ({"k.1": OLD}, "k.1"),
        ({"k" * 17: OLD}, "k" * 17),
    ],
)
def test_a_ring_that_cannot_work_is_refused(keys: dict[str, bytes], active: str) -> None:
    """Weak secrets, odd ids and a missing active key are found at start."""
    with pytest.raises(ValueError):
        SignedCookies(keys, active)


def test_the_clock_is_the_machines_unless_told() -> None:
    """Sealed now opens now."""
    ring = SignedCookies({"k1": OLD}, "k1")

    assert ring.open(NAME, ring.seal(NAME, b"x"), 60) == b"x"
