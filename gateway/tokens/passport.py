"""The passport: a short EdDSA JWT (RFC 7519, 8037) that tells the website who is there, and the JWKS that verifies it.

    {"alg": "EdDSA", "kid": "k3Vx9q", "typ": "latch-passport+jwt"}
    {"iss": "https://watch.example", "aud": "https://watch.example", "sub": "ada", "sid": …, "did": …,
     "lvl": "fresh", "auth_time": 1800000000, "iat": 1800000000, "exp": 1800000300, "jti": …}

Its key is derived from a key of the ring (`RingKey.passport_seed`), so one rotation serves both.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import UnsupportedAlgorithmError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from ..ids import new_id, to_text
from .keyfile import KeyState, RingKey
from .keyring import KeyRing

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

PASSPORT_TYPE: Final = "latch-passport+jwt"
_ALGORITHM: Final = "EdDSA"

Level = Literal["fresh", "remembered"]


class _EdDSAOnly(JWSRegistry):
    """EdDSA and nothing else, without joserfc's warning.

    RFC 9864 renames the algorithm for this curve to "Ed25519", which PyJWT and most verifiers do not know yet; with
    one algorithm and one curve the old name leaves nothing open.
    """

    def get_alg(self, name: str) -> "JWSAlgModel":
        if name != _ALGORITHM:
            raise UnsupportedAlgorithmError(f"expected {_ALGORITHM}")
        return self.algorithms[name]


_REGISTRY: Final = _EdDSAOnly()


def mint(
    ring: KeyRing,
    *,
    issuer: str,
    audience: str,
    account: str,
    session: str,
    device: str,
    level: Level,
    authenticated_at_ms: int,
    issued_at_ms: int,
    expires_at_ms: int,
) -> str:
    """A passport signed with the ring's signing key; about 60 µs, so once per lease, not per request.

    Instants are rounded down to seconds: a passport never outlives its lease.
    """
    key = ring.signing_key()
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": account,
        "sid": session,
        "did": device,
        "lvl": level,
        "auth_time": authenticated_at_ms // 1_000,
        "iat": issued_at_ms // 1_000,
        "exp": expires_at_ms // 1_000,
        "jti": new_id(),
    }
    header = {"alg": _ALGORITHM, "kid": key.id, "typ": PASSPORT_TYPE}
    return jwt.encode(header, claims, _private_key(key), registry=_REGISTRY)


def jwks(ring: KeyRing) -> dict[str, Any]:
    """The public keys of all that verifies (RFC 7517), also of keys that do not sign yet: verifiers keep copies."""
    return {"keys": [_public_jwk(key) for key in ring.all_keys() if key.state is not KeyState.RETIRED]}


def _public_jwk(key: RingKey) -> dict[str, str]:
    public = Ed25519PrivateKey.from_private_bytes(key.passport_seed()).public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed25519", "x": to_text(public), "kid": key.id, "alg": _ALGORITHM, "use": "sig"}


@lru_cache(maxsize=4)
def _private_key(key: RingKey) -> OKPKey:
    return OKPKey.import_key({**_public_jwk(key), "d": to_text(key.passport_seed())})
