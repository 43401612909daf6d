"""Tokens that are bound to a key (RFC 9449 sections 5 and 8): which key a token request proves, and each proof once.

A proof that was used is remembered in the store, by all workers, for as long as its nonce could let it in again. Only
requests that would be given tokens leave such a mark, so nobody fills the store with keys of his own.
"""

from collections.abc import Collection
from hashlib import sha256
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from ..store import keys
from ..store.client import Store
from ..tokens.dpop import CLOCKS_SECONDS, NONCE_SECONDS, Proofs, Proven, Unproven
from .oauth import Endpoint, OAuthError

_REMEMBERED_SECONDS: Final = NONCE_SECONDS + 2 * CLOCKS_SECONDS


class Binding:
    """Judges the proofs of token requests; the clients in `always` get no tokens without one."""

    def __init__(self, proofs: Proofs, store: Store, *, always: Collection[str]) -> None:
        self._proofs = proofs
        self._store = store
        self._always = always

    def proven_by(self, request: Request, client: str) -> Proven | None:
        """The key that a request proves; None for none at all. Raises OAuthError for a bad or missing proof."""
        sent = [value.encode("latin-1") for value in request.headers.getlist("dpop")]
        if not sent:
            if client in self._always:
                raise OAuthError("invalid_dpop_proof", "tokens of this client are bound to a key: send a DPoP header")
            return None
        proven = self._proofs.judge(sent, method=request.method, target=request.url.path, needs_nonce=True)
        if isinstance(proven, Unproven):
            raise OAuthError(proven.error, proven.detail)
        return proven

    async def spend(self, proven: Proven | None) -> None:
        """Use a proof up. Raises OAuthError if it was used before, StoreAway."""
        if proven is None:
            return
        digest = sha256(proven.thumbprint + proven.jti.encode())
        key = keys.spent_proof(digest.digest()[0], digest.hexdigest())
        if not await self._store.guard(self._store.redis.set(key, 1, nx=True, ex=_REMEMBERED_SECONDS)):
            raise OAuthError("invalid_dpop_proof", "this proof was used before: sign a new one for each request")

    def offering(self, endpoint: Endpoint) -> Endpoint:
        """`endpoint`, with a nonce for the next proof on each answer to who sends one."""

        async def answered(request: Request) -> Response:
            response = await endpoint(request)
            if "dpop" in request.headers:
                response.headers["dpop-nonce"] = self._proofs.nonce()
                response.headers["access-control-expose-headers"] = "DPoP-Nonce"
            return response

        return answered


async def preflight(_request: Request) -> Response:
    """What a browser asks before an app that is a web page may send the header (Fetch Standard, CORS protocol)."""
    return Response(
        status_code=204,
        headers={
            "access-control-allow-origin": "*",
            "access-control-allow-methods": "POST",
            "access-control-allow-headers": "DPoP",
            "access-control-max-age": "86400",
        },
    )
