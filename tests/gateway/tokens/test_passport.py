"""Passports, verified by PyJWT and by joserfc from nothing but the JWKS."""

from typing import Any, cast

import jwt as pyjwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.errors import BadSignatureError, SecurityWarning
from joserfc.jwk import KeySet, KeySetSerialization

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.tokens.keyfile import KeyState, RingKey, dump
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.passport import jwks, mint

ORIGIN = "https://watch.example"


def passport(ring: KeyRing, now_ms: int = 1_800_000_000_999) -> str:
    """A passport of five minutes less a millisecond."""
    return mint(
        ring,
        issuer=ORIGIN,
        audience=ORIGIN,
        account="ada@example.com",
        session="S" * 22,
        device="D" * 22,
        level="fresh",
        authenticated_at_ms=now_ms - 60_000,
        issued_at_ms=now_ms,
        expires_at_ms=now_ms + 299_999,
    )


def published(ring: KeyRing) -> KeySet:
    """The JWKS as a website reads it with joserfc."""
    return KeySet.import_key_set(cast(KeySetSerialization, jwks(ring)))


def by_pyjwt(token: str, keys: dict[str, Any]) -> dict[str, Any]:
    """The claims as a website reads them with PyJWT; times are judged in the middleware's tests."""
    key = pyjwt.PyJWKSet.from_dict(keys)[pyjwt.get_unverified_header(token)["kid"]]
    options: Any = {"verify_exp": False, "verify_iat": False}
    return pyjwt.decode(token, key, algorithms=["EdDSA"], audience=ORIGIN, issuer=ORIGIN, options=options)


def test_passport_is_verified_by_pyjwt_and_joserfc(ring: KeyRing) -> None:
    """Two foreign libraries verify a passport with the published keys and read the same claims."""
    token = passport(ring)

    claims = by_pyjwt(token, jwks(ring))
    with pytest.warns(SecurityWarning, match="RFC 9864"):
        other = joserfc_jwt.decode(token, published(ring), algorithms=["EdDSA"])

    assert other.claims == claims
    assert other.header == {"alg": "EdDSA", "kid": "tEst01", "typ": "latch-passport+jwt"}
    assert len(claims.pop("jti")) == 22
    assert claims == {
        "iss": ORIGIN,
        "aud": ORIGIN,
        "sub": "ada@example.com",
        "sid": "S" * 22,
        "did": "D" * 22,
        "lvl": "fresh",
        "auth_time": 1_799_999_940,
        "iat": 1_800_000_000,
        "exp": 1_800_000_300,
    }


def test_each_passport_has_its_own_id(ring: KeyRing) -> None:
    """Two passports of one lease differ in `jti`."""
    assert passport(ring) != passport(ring)


def test_jwks_holds_public_parts_of_all_that_verifies(test_key: RingKey, clock: ManualClock) -> None:
    """Active, waiting and verify-only keys are published, retired ones and private parts are not."""
    waiting = RingKey("wait01", KeyState.ACTIVE, 2**50, 2**50, b"w" * 32)
    old = RingKey("old001", KeyState.VERIFY_ONLY, 0, 0, b"v" * 32)
    gone = RingKey("gone01", KeyState.RETIRED, 0, 0, b"r" * 32)
    ring = KeyRing.from_json(dump([gone, old, test_key, waiting]), clock)

    keys = jwks(ring)["keys"]

    assert [key["kid"] for key in keys] == ["old001", "tEst01", "wait01"]
    assert {frozenset(key) for key in keys} == {frozenset({"kty", "crv", "x", "kid", "alg", "use"})}


def test_passport_of_another_key_is_refused(ring: KeyRing, clock: ManualClock) -> None:
    """A passport under our key id but another secret verifies with neither library."""
    other = KeyRing.from_json(dump([RingKey("tEst01", KeyState.ACTIVE, 0, 0, b"o" * 32)]), clock)
    token = passport(other)

    with pytest.raises(pyjwt.InvalidSignatureError):
        by_pyjwt(token, jwks(ring))
    with pytest.raises(BadSignatureError), pytest.warns(SecurityWarning):
        joserfc_jwt.decode(token, published(ring), algorithms=["EdDSA"])
