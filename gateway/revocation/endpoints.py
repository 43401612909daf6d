"""The backend's URLs that end things (one session, an account everywhere or for good, everybody) and tell of it."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..api_requests import account_of, repeat_key_of
from ..errors import BadRequest
from ..ids import is_id
from ..store.client import Store
from .answers import receipt_response
from .enable import enable
from .everybody import EverybodyRevoker
from .revoke import Revoker, Target
from .stream import RevocationStream


class RevocationEndpoints:
    """Routes below /v1; the app lets only service credentials through to them."""

    def __init__(self, store: Store, revoker: Revoker, everybody: EverybodyRevoker, stream: RevocationStream) -> None:
        self._store = store
        self._revoker = revoker
        self._everybody = everybody
        self._stream = stream

    def routes(self) -> list[Route]:
        """In matching order."""
        return [
            Route("/v1/accounts/{account}/sessions/{session}", self.end_session, methods=["DELETE"]),
            Route("/v1/accounts/{account}/revoke", self.revoke_account, methods=["POST"]),
            Route("/v1/accounts/{account}/disable", self.disable, methods=["POST"]),
            Route("/v1/accounts/{account}/enable", self.enable, methods=["POST"]),
            Route("/v1/revoke-everybody", self.revoke_everybody, methods=["POST"]),
            Route("/v1/revocations/stream", self._stream.endpoint, methods=["GET"]),
            Route("/v1/revocations/{revocation}", self.receipt, methods=["GET"]),
        ]

    async def end_session(self, request: Request) -> JSONResponse:
        """End one session; 200 or 202 with a receipt, 404 if the account has no such session."""
        session = request.path_params["session"]
        if not is_id(session):
            raise BadRequest("bad_session_id", "expected an id of 22 base64url characters")
        return await self._revoke(request, ("session", session), reason="ended_by_website")

    async def revoke_account(self, request: Request) -> JSONResponse:
        """Sign an account out everywhere; sign-ins checked before this are refused from now on."""
        return await self._revoke(request, ("account", account_of(request)), reason="signed_out_everywhere")

    async def disable(self, request: Request) -> JSONResponse:
        """Sign an account out everywhere and refuse its sign-ins until it is enabled; also one never seen before."""
        return await self._revoke(request, ("disable", account_of(request)), reason="disabled")

    async def enable(self, request: Request) -> Response:
        """204: the account may sign in again, with passwords checked from now on."""
        await enable(self._store, account_of(request))
        return Response(status_code=204)

    async def revoke_everybody(self, request: Request) -> JSONResponse:
        """Sign every account out; sign-ins checked before this are refused from now on."""
        receipt = await self._everybody.revoke(reason="everybody_signed_out", repeat_key=repeat_key_of(request))
        return receipt_response(receipt)

    async def receipt(self, request: Request) -> JSONResponse:
        """The receipt of a revocation of the last 24 hours, as of now."""
        return receipt_response(await self._revoker.find(request.path_params["revocation"]))

    async def _revoke(self, request: Request, target: tuple[Target, str], *, reason: str) -> JSONResponse:
        receipt = await self._revoker.revoke(
            account_of(request), [target], reason=reason, repeat_key=repeat_key_of(request)
        )
        return receipt_response(receipt)
