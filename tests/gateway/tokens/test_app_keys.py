"""Keys of apps: the two kinds whose check costs what we expect, and no other."""

import msgspec
import pytest
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from latchstring_gateway.tokens.app_keys import ALGORITHMS, REGISTRY, PublicJwk, imported


@pytest.mark.parametrize("key", [ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519")])
def test_both_kinds_are_read_with_the_thumbprint_that_everybody_computes(key: ECKey | OKPKey) -> None:
    """Whatever stands beside what the kind needs."""
    row = {**key.as_dict(private=False), "kid": "1", "use": "sig"}

    assert imported(msgspec.convert(row, PublicJwk)).thumbprint() == key.thumbprint()


@pytest.mark.parametrize(
    "row",
    [
        ECKey.generate_key("P-384").as_dict(private=False),
        RSAKey.generate_key(2048).as_dict(private=False),
        OKPKey.generate_key("X25519").as_dict(private=False),
        {"kty": "EC", "crv": "P-256", "x": "A" * 42, "y": "A" * 43},
        {"kty": "oct", "k": "A" * 43},
    ],
)
def test_other_kinds_are_refused(row: dict[str, object]) -> None:
    """By their form, before anything is computed."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(row, PublicJwk)


def test_a_point_off_its_curve_is_no_key() -> None:
    """Which the form alone cannot tell."""
    row = {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43}

    with pytest.raises((JoseError, ValueError)):
        imported(msgspec.convert(row, PublicJwk))


@pytest.mark.parametrize("name", ["none", "HS256", "RS256", "ES384"])
def test_no_other_algorithm_is_known(name: str) -> None:
    """Above all none that a public key could be a secret for."""
    with pytest.raises(UnsupportedAlgorithmError):
        REGISTRY.get_alg(name)

    assert name not in ALGORITHMS
