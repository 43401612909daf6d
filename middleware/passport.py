"""The passport: the short EdDSA JWT with which the edge tells a website who is there, verified without a network call.

    X-Latch-Passport: {"alg": "EdDSA", "kid": …, "typ": "latch-passport+jwt"} . {"iss", "aud", "sub" (account), "sid",
    "did", "lvl": "fresh"|"remembered", "auth_time", "iat", "exp", "jti"} . Ed25519 signature (RFC 7519, 8037)

It is a bearer token: the proxy sets the header, overwriting whatever a client sent.
"""

import json
import re
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .passport_keys import REFRESH_SECONDS, Fetch, PassportKeys, fetch_by_http
from .problems import problem_body, problem_messages

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel

HEADER: Final = b"x-latch-passport"
PASSPORT_TYPE: Final = "latch-passport+jwt"
LEVELS: Final = frozenset({"fresh", "remembered"})
MAX_TOKEN_CHARS: Final = 4_096
#: How long a request whose key is not at hand waits for a refresh that is under way.
WAIT_SECONDS: Final = 2.0

_ALGORITHM: Final = "EdDSA"
_COMPACT: Final = re.compile(r"([\w-]{1,512})\.[\w-]+\.[\w-]{86}", re.ASCII)


class _EdDSAOnly(jws.JWSRegistry):
    """EdDSA and nothing else, without joserfc's warning that RFC 9864 renames it: one curve leaves nothing open."""

    def get_alg(self, name: str) -> "JWSAlgModel":
        if name != _ALGORITHM:
            raise UnsupportedAlgorithmError(f"expected {_ALGORITHM}")
        return self.algorithms[name]


_REGISTRY: Final = _EdDSAOnly()


@dataclass(frozen=True, slots=True)
class Passport:
    """Who is there. Instants are seconds since the epoch; `claims` holds every claim, read-only."""

    account: str
    session: str
    device: str
    level: str
    authenticated_at: int
    expires_at: int
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PassportRefused:
    """Why a passport does not count.

    malformed, algorithm, type, unknown_key, keys_unavailable (they could not be fetched, so nothing can be said),
    signature, claims, issuer, audience, expired or not_yet_valid.
    """

    reason: str


class PassportVerifier:
    """Verifies passports with the public keys of the edge; for one event loop.

    Keys are given (`jwks`), fetched from `jwks_url`, or by `fetch`; refreshed in the background when a passport names
    an unknown one, at most every `refresh_seconds`, and when they are 10 minutes old. Passports verified once are
    remembered, at most `max_remembered`, until they expire or the keys are refreshed. Raises ValueError without any
    source of keys.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        jwks: Mapping[str, Any] | None = None,
        jwks_url: str | None = None,
        fetch: Fetch | None = None,
        leeway_seconds: int = 5,
        refresh_seconds: float = REFRESH_SECONDS,
        max_remembered: int = 4_096,
        now_seconds: Callable[[], float] = lambda: datetime.now(UTC).timestamp(),
    ) -> None:
        if jwks is None and jwks_url is None and fetch is None:
            raise ValueError("expected jwks, jwks_url or fetch: without keys no passport can be verified")
        fetch = fetch or (None if jwks_url is None else fetch_by_http(jwks_url))
        self.keys = PassportKeys(jwks, fetch, refresh_seconds=refresh_seconds)
        self._issuer = issuer
        self._audience = audience
        self._leeway_seconds = leeway_seconds
        self._max_remembered = max_remembered
        self._now_seconds = now_seconds
        self._remembered: OrderedDict[str, Passport] = OrderedDict()
        self._generation = self.keys.generation

    def verify(self, token: str) -> Passport | PassportRefused:
        """The passport in `token`, or why it does not count; never waits, never raises."""
        self.keys.refresh_if_stale()
        if self._generation != self.keys.generation:
            self._generation = self.keys.generation
            self._remembered.clear()
        passport = self._remembered.get(token)
        if passport is not None:
            if passport.expires_at + self._leeway_seconds <= self._now_seconds():
                del self._remembered[token]
                return PassportRefused("expired")
            self._remembered.move_to_end(token)
            return passport
        found = self._verify_anew(token)
        if isinstance(found, Passport):
            self._remembered[token] = found
            if len(self._remembered) > self._max_remembered:
                self._remembered.popitem(last=False)
        return found

    async def verify_with_new_keys(self, token: str) -> Passport | PassportRefused:
        """The same, but a passport whose key is not at hand waits up to 2 s for a refresh that is under way."""
        found = self.verify(token)
        if isinstance(found, PassportRefused) and found.reason in ("unknown_key", "keys_unavailable"):
            await self.keys.refreshed(WAIT_SECONDS)
            found = self.verify(token)
        return found

    def _verify_anew(self, token: str) -> Passport | PassportRefused:
        header = _header_of(token)
        if header is None:
            return PassportRefused("malformed")
        if header.get("alg") != _ALGORITHM:
            return PassportRefused("algorithm")
        if header.get("typ") != PASSPORT_TYPE:
            return PassportRefused("type")
        key = self.keys.get(header.get("kid"))
        if key is None:
            return PassportRefused("unknown_key" if self.keys.known else "keys_unavailable")
        try:
            payload = jws.deserialize_compact(token, key, registry=_REGISTRY).payload
        except (JoseError, ValueError):
            return PassportRefused("signature")
        try:
            claims = json.loads(payload or b"", object_pairs_hook=_unique)
        except (ValueError, RecursionError):
            return PassportRefused("claims")
        return self._judge(claims)

    def _judge(self, claims: object) -> Passport | PassportRefused:
        passport = _passport_of(claims)
        if passport is None:
            return PassportRefused("claims")
        if passport.claims.get("iss") != self._issuer:
            return PassportRefused("issuer")
        audience = passport.claims.get("aud")
        if audience != self._audience and not (isinstance(audience, list) and self._audience in audience):
            return PassportRefused("audience")
        now = self._now_seconds()
        if passport.expires_at + self._leeway_seconds <= now:
            return PassportRefused("expired")
        # "iat" bounds too: a passport from the future is a broken clock or worse.
        if max(passport.claims["iat"], passport.claims.get("nbf", 0)) > now + self._leeway_seconds:
            return PassportRefused("not_yet_valid")
        return passport


class PassportMiddleware:
    """Puts the `Passport` of each request and WebSocket handshake into scope["passport"], None if there is no good one.

    The header counts only in its exact spelling and once. Where a passport is `required`, the answer without one is 401
    with code passport_<reason> (passport_absent if there was none), or 503 if the keys cannot be had: then nobody can
    say that somebody is not signed in.
    """

    def __init__(self, app: ASGIApp, verifier: PassportVerifier, *, required: bool = False) -> None:
        self._app = app
        self._verifier = verifier
        self._required = required

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        found = await self._passport_in(scope)
        if isinstance(found, PassportRefused) and self._required:
            for message in _refusal(scope, found.reason):
                await send(message)
            return
        await self._app({**scope, "passport": found if isinstance(found, Passport) else None}, receive, send)

    async def _passport_in(self, scope: Scope) -> Passport | PassportRefused:
        tokens = [value for name, value in scope["headers"] if name == HEADER]
        if len(tokens) > 1:
            return PassportRefused("malformed")
        if not tokens or not tokens[0]:
            return PassportRefused("absent")
        return await self._verifier.verify_with_new_keys(tokens[0].decode("latin-1"))


def _refusal(scope: Scope, reason: str) -> tuple[Message, ...]:
    if scope["type"] == "websocket":
        # Closing before accepting makes the server answer the handshake with 403.
        return ({"type": "websocket.close", "code": 1008},)
    code = f"passport_{reason}"
    if reason == "keys_unavailable":
        body = problem_body(503, code, "Temporarily unavailable", "the keys could not be fetched; try again")
        return problem_messages(503, body, [(b"retry-after", b"5")])
    return problem_messages(401, problem_body(401, code, "Not signed in", "sign in and try again"))


def _header_of(token: str) -> dict[str, Any] | None:
    """The JOSE header of a token in the one shape a passport has; unverified."""
    match = _COMPACT.fullmatch(token) if len(token) <= MAX_TOKEN_CHARS else None
    if match is None:
        return None
    try:
        header = json.loads(urlsafe_b64decode(match[1] + "=="), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    # Members such as crit, b64, jwk or jku ask for behaviour that no passport needs.
    return header if isinstance(header, dict) and header.keys() <= {"alg", "kid", "typ"} else None


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no name comes twice: of two, another parser may take the other (RFC 7515 section 4)."""
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("a name comes twice")
    return found


def _passport_of(claims: object) -> Passport | None:
    if not isinstance(claims, dict):
        return None
    texts = [claims.get(name) for name in ("sub", "sid", "did", "lvl")]
    if not all(isinstance(text, str) and text for text in texts) or claims["lvl"] not in LEVELS:
        return None
    # bool is an int, and true would be a second after the epoch.
    instants = [claims.get("auth_time"), claims.get("iat"), claims.get("exp"), claims.get("nbf", 0)]
    if any(type(instant) is not int for instant in instants):
        return None
    return Passport(
        account=claims["sub"],
        session=claims["sid"],
        device=claims["did"],
        level=claims["lvl"],
        authenticated_at=claims["auth_time"],
        expires_at=claims["exp"],
        claims=MappingProxyType(claims),
    )
