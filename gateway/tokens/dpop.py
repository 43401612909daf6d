"""Proofs of a key (DPoP, RFC 9449): what an app signs for one request, beside a token that is bound to its key.

    DPoP: eyJ…    header  {"typ": "dpop+jwt", "alg": "ES256", "jwk": {"kty": "EC", "crv": "P-256", "x": …, "y": …}}
                  claims  {"jti": …, "htm": "POST", "htu": "https://www.example.com/latch/oauth/token",
                           "iat": 1800000000, "nonce": "v1.…", "ath": …}

The time of a proof is that of its nonce, which one worker gives out and every other knows again; the clocks of TVs are
often wrong. A proof without one is judged by `iat`, where a nonce is not demanded.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final, Literal, TypeAlias

from joserfc import jws
from joserfc.errors import JoseError
from msgspec import Meta, Struct, convert, json

from ..clock import Clock
from ..ids import to_text
from .app_keys import ALGORITHMS, REGISTRY, Algorithm, PublicJwk, imported
from .codec import Codec, Refused
from .purposes import ProofNonce

#: How long a nonce is good, and how far clocks may lie apart: a client's, and those of two workers.
NONCE_SECONDS: Final = 300
CLOCKS_SECONDS: Final = 60
MAX_PROOF_BYTES: Final = 4_096

_URL: Final = re.compile(r"(https?)://([^/?#]+)([^?#]*)", re.ASCII | re.IGNORECASE)
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
_PORT: Final = re.compile(r":[0-9]+\Z", re.ASCII)
_ESCAPED: Final = re.compile(r"%([0-9A-Fa-f]{2})", re.ASCII)
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

ProofError: TypeAlias = Literal["invalid_dpop_proof", "use_dpop_nonce"]


class _Header(Struct, frozen=True):
    typ: Literal["dpop+jwt"]
    alg: Algorithm
    jwk: PublicJwk


class _Claims(Struct, frozen=True):
    jti: Annotated[str, Meta(min_length=1, max_length=256)]
    htm: str
    htu: str
    iat: float
    nonce: str | None = None
    ath: str = ""


@dataclass(frozen=True, slots=True)
class Proven:
    """A key was proved: its thumbprint (RFC 7638, SHA-256), and the name by which its proof can be told from others."""

    thumbprint: bytes
    jti: str


@dataclass(frozen=True, slots=True)
class Unproven:
    """No key was proved: the error in the words of RFC 9449, and what was expected; it repeats nothing."""

    error: ProofError
    detail: str


class Proofs:
    """Judges proofs and gives out nonces, for one worker; `site` is the scheme and host that clients know us by."""

    def __init__(self, codec: Codec, clock: Clock, *, site: str) -> None:
        self._codec = codec
        self._clock = clock
        self._site = site
        self._host = _host_of(site)

    def nonce(self) -> str:
        """One for the next proofs of whoever asks, good at every worker for NONCE_SECONDS."""
        return self._codec.seal(ProofNonce(self._clock.wall_ms())).decode()

    def judge(
        self,
        sent: Sequence[bytes],
        *,
        method: str,
        target: str,
        site: str = "",
        access_token: bytes | None = None,
        needs_nonce: bool = False,
    ) -> Proven | Unproven:
        """Judge the DPoP headers of a request (section 4.3), but for whether the proof came before; never raises.

        `site` is the scheme and host by which a proxy says that it was asked; blank means our own, and so does our own
        host under another port, for nginx's `$host` leaves the port out. With `access_token` the proof must
        be for that token.
        """
        if len(sent) != 1:
            return _invalid("expected one DPoP header")
        read = _read(sent[0])
        if read is None:
            return _invalid(f"expected a JWT of type dpop+jwt that its own public key signed: {', '.join(ALGORITHMS)}")
        thumbprint, claims = read
        if claims.htm != method:
            return _invalid("expected the method of this request as htm")
        asked = site if site and _host_of(site) != self._host else self._site
        if _address(claims.htu) != _address(asked + target):
            return _invalid("expected the address of this request as htu")
        if access_token is not None and claims.ath != to_text(sha256(access_token).digest()):
            return _invalid("expected the hash of this access token as ath")
        if not self._is_timely(claims, needs_nonce=needs_nonce):
            return Unproven("use_dpop_nonce", "expected the nonce that comes with this answer")
        return Proven(thumbprint, claims.jti)

    def _is_timely(self, claims: _Claims, *, needs_nonce: bool) -> bool:
        now_ms = self._clock.wall_ms()
        if claims.nonce is None:
            return not needs_nonce and abs(now_ms - claims.iat * 1000) <= CLOCKS_SECONDS * 1000
        given = self._codec.open(claims.nonce.encode("latin-1", "replace"), ProofNonce)
        if isinstance(given, Refused):
            return False
        return -CLOCKS_SECONDS * 1000 <= now_ms - given.issued_at_ms <= NONCE_SECONDS * 1000


def _invalid(detail: str) -> Unproven:
    return Unproven("invalid_dpop_proof", detail)


def _read(proof: bytes) -> tuple[bytes, _Claims] | None:
    """The thumbprint of the key that signed, and what it signed; None if this is no proof."""
    if len(proof) > MAX_PROOF_BYTES:
        return None
    try:
        parts = jws.extract_compact(proof, registry=REGISTRY)
        said = parts.headers()
        header = convert(said, _Header)
        # Whoever shows a private key has lost it; of critical extensions none is known here (RFC 7515 section 4.1.11).
        if "d" in said["jwk"] or "crit" in said:
            return None
        key = imported(header.jwk)
        if not jws.validate_compact(parts, key, registry=REGISTRY):
            return None
        return urlsafe_b64decode(key.thumbprint() + "="), json.decode(parts.payload, type=_Claims)
    except (JoseError, ValueError, TypeError, RecursionError):
        return None


def _host_of(site: str) -> str:
    return _PORT.sub("", site.partition("://")[2])


def _address(url: str) -> str | None:
    """A URL without query and fragment, normalized by syntax and scheme (RFC 3986 sections 6.2.2 and 6.2.3)."""
    found = _URL.match(url)
    if found is None:
        return None
    scheme, host = found[1].lower(), found[2].lower()
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS[scheme])}{_ESCAPED.sub(_unescaped, found[3]) or '/'}"


def _unescaped(escaped: re.Match[str]) -> str:
    character = chr(int(escaped[1], 16))
    return character if character in _UNRESERVED else escaped[0].upper()
