"""Seals: one text, one purpose, one spelling; under every key that verifies and no other."""

import hmac
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.ids import to_text
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump, new_key
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.seals import Seals

TEXT = b"3f2c6d0e-8a51-4c0b-9d7e-0c5a1e2b4f60"


def _ring(*keys: RingKey) -> KeyRing:
    return KeyRing.from_json(dump(keys), ManualClock())


def test_a_seal_is_the_hmac_that_is_described(test_key: RingKey) -> None:
    """Computed by hand from the bytes 0 to 31."""
    key = hmac.digest(bytes(range(32)), b"a purpose", sha256)
    expected = to_text(hmac.digest(key, TEXT, sha256)[:16])

    assert Seals(_ring(test_key), b"a purpose").of(TEXT) == f"tEst01.{expected}".encode()


@pytest.mark.parametrize("other", [b"", TEXT[:-1], TEXT + b".", TEXT.upper()])
def test_a_seal_fits_its_text_only(test_key: RingKey, other: bytes) -> None:
    """And its purpose."""
    seals = Seals(_ring(test_key), b"a purpose")

    assert seals.fits(TEXT, seals.of(TEXT))
    assert not seals.fits(other, seals.of(TEXT))
    assert not Seals(_ring(test_key), b"another").fits(TEXT, seals.of(TEXT))


@given(st.integers(0, 40), st.integers(0, 255))
def test_an_altered_seal_never_fits(at: int, byte: int) -> None:
    """Not in any byte: none of it is decoration."""
    seals = Seals(_ring(new_key(0, not_before_ms=0)), b"a purpose")
    seal = bytearray(seals.of(TEXT))
    place = at % len(seal)
    changed = seal[place] != byte
    seal[place] = byte

    assert seals.fits(TEXT, bytes(seal)) is not changed


@pytest.mark.parametrize("junk", [b"", b".", b"tEst01", b"tEst01.", b"\xff\xfe.\xff", b"x" * 10_000])
def test_junk_is_no_seal(test_key: RingKey, junk: bytes) -> None:
    """Nothing a client can send raises."""
    assert not Seals(_ring(test_key), b"a purpose").fits(TEXT, junk)


def test_seals_follow_the_ring(test_key: RingKey) -> None:
    """What an older key sealed stands until that key is retired."""
    seal = Seals(_ring(test_key), b"a purpose").of(TEXT)
    newer = new_key(0, not_before_ms=0)
    retired = replace(test_key, state=KeyState.RETIRED)

    assert Seals(_ring(replace(test_key, state=KeyState.VERIFY_ONLY), newer), b"a purpose").fits(TEXT, seal)
    assert not Seals(_ring(retired, newer), b"a purpose").fits(TEXT, seal)
