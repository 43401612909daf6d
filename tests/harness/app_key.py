"""The key of an app and the proofs it signs (DPoP), made by another library than the one that reads them."""

import json
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from .worker_app import now_ms


class AppKey:
    """A fresh key; `algorithm` is ES256 or EdDSA."""

    def __init__(self, algorithm: str = "ES256") -> None:
        self.algorithm = algorithm
        #: Of the kind that the algorithm wants.
        self.private: Any
        if algorithm == "ES256":
            self.private = generate_private_key(SECP256R1())
            self.jwk: dict[str, Any] = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            self.private = Ed25519PrivateKey.generate()
            self.jwk = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)

    @property
    def thumbprint(self) -> str:
        """As RFC 7638 has it."""
        members = {name: self.jwk[name] for name in ("crv", "kty", "x", "y") if name in self.jwk}
        return _base64url(sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest())

    def proof(
        self, method: str, url: str, *, access_token: str | None = None, header: Any = None, **claims: Any
    ) -> str:
        """A proof for one request; `header` and `claims` replace what it would say, None leaves it out."""
        said = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": url, "iat": now_ms() // 1000}
        if access_token is not None:
            said["ath"] = _base64url(sha256(access_token.encode()).digest())
        said = {name: value for name, value in {**said, **claims}.items() if value is not None}
        headers = {"typ": "dpop+jwt", "jwk": self.jwk, **(header or {})}
        return jwt.encode(said, self.private, algorithm=self.algorithm, headers=headers)


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
