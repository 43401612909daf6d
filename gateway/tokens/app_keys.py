"""The public keys of apps as JWKs (RFC 7517): two kinds, the algorithms they sign by, and nothing else.

{"kty": "EC", "crv": "P-256", "x": …, "y": …}        ES256
{"kty": "OKP", "crv": "Ed25519", "x": …}             Ed25519, which apps also call EdDSA
"""

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

from joserfc import jws
from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey
from msgspec import Meta, Struct, to_builtins

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

Algorithm: TypeAlias = Literal["ES256", "Ed25519", "EdDSA"]
#: Both curves are checked in about 100 µs, whoever chose the key. With RSA, who chooses the exponent chooses the cost.
ALGORITHMS: Final[tuple[Algorithm, ...]] = ("ES256", "Ed25519", "EdDSA")
AppKey: TypeAlias = ECKey | OKPKey
#: 32 bytes in base64url. Only their one spelling makes the thumbprint that everybody else computes.
_Coordinate = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]


class P256(Struct, tag_field="kty", tag="EC", frozen=True):
    """A key for ES256."""

    crv: Literal["P-256"]
    x: _Coordinate
    y: _Coordinate


class Ed25519(Struct, tag_field="kty", tag="OKP", frozen=True):
    """A key for Ed25519."""

    crv: Literal["Ed25519"]
    x: _Coordinate


PublicJwk: TypeAlias = P256 | Ed25519


class _Algorithms(jws.JWSRegistry):
    """These alone, without joserfc's warning that "EdDSA" has a new name: apps use the old one."""

    def get_alg(self, name: str) -> "JWSAlgModel":
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(f"expected one of {ALGORITHMS}")
        return self.algorithms[name]


#: For joserfc's functions. Headers it does not know are let be: whoever reads them says which there may be.
REGISTRY: Final[jws.JWSRegistry] = _Algorithms(strict_check_header=False)


def imported(key: PublicJwk) -> AppKey:
    """The key, to verify by. Raises JoseError or ValueError for a point that is not on its curve."""
    kind = ECKey if isinstance(key, P256) else OKPKey
    return kind.import_key(to_builtins(key))
