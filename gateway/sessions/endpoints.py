"""The backend's URLs: begin a session, end one, sign an account out everywhere, read a receipt."""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..api_requests import account_of, read_json, repeat_key_of
from ..clock import Clock
from ..errors import BadRequest
from ..ids import Account, is_id
from ..revocation.answers import receipt_response
from ..revocation.everybody import EverybodyRevoker
from ..revocation.revoke import Revoker
from ..tokens.codec import Codec
from . import return_path
from .start import SignIn, Starter

AccountText = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._:@+-]{1,64}\Z")]


class Browser(Struct, frozen=True, forbid_unknown_fields=True):
    """What the website passes on of the browser's own request, raw."""

    cookie: Annotated[str, Meta(max_length=16_384)] = ""
    user_agent: Annotated[str, Meta(max_length=4_096)] = ""
    address: Annotated[str, Meta(max_length=64)] = ""
    accept_language: Annotated[str, Meta(max_length=256)] = ""


class StartRequest(Struct, frozen=True, forbid_unknown_fields=True, rename={"return_to": "return"}):
    """POST /v1/sessions."""

    account: AccountText
    authenticated_at_ms: Annotated[int, Meta(ge=0, lt=2**53)]
    remember: bool = False
    method: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"\A[a-z0-9_-]+\Z")] = "password"
    browser: Browser = Browser()
    return_to: Annotated[str, Meta(max_length=2_048)] | None = None


class SessionEndpoints:
    """Holds the collaborators of the session routes."""

    def __init__(
        self, starter: Starter, revoker: Revoker, everybody: EverybodyRevoker, codec: Codec, clock: Clock
    ) -> None:
        self._starter = starter
        self._revoker = revoker
        self._everybody = everybody
        self._codec = codec
        self._clock = clock

    def routes(self) -> list[Route]:
        """Routes below /v1; the app lets only service credentials through to them."""
        return [
            Route("/v1/sessions", self.start, methods=["POST"]),
            Route("/v1/accounts/{account}/sessions/{session}", self.end, methods=["DELETE"]),
            Route("/v1/accounts/{account}/revoke", self.revoke_account, methods=["POST"]),
            Route("/v1/revoke-everybody", self.revoke_everybody, methods=["POST"]),
            Route("/v1/revocations/{revocation}", self.receipt, methods=["GET"]),
        ]

    async def start(self, request: Request) -> JSONResponse:
        """201 with the Set-Cookie lines to relay and where to send the browser next."""
        asked = await read_json(request, StartRequest)
        started = await self._starter.start(
            SignIn(
                account=Account(asked.account),
                remember=asked.remember,
                authenticated_at_ms=asked.authenticated_at_ms,
                method=asked.method,
                cookie=asked.browser.cookie,
                user_agent=asked.browser.user_agent,
                address=asked.browser.address,
            )
        )
        now_ms = self._clock.wall_ms()
        target = return_path.open_target(self._codec, asked.return_to, now_ms=now_ms) if asked.return_to else "/"
        body = {
            "session": {
                "id": started.session,
                "account": asked.account,
                "device": started.device,
                "remembered": asked.remember,
                "authenticated_at_ms": asked.authenticated_at_ms,
            },
            "device": {
                "id": started.device,
                "name": started.device_name,
                "kind": started.device_kind,
                "new": started.device_is_new,
            },
            "set_cookie": list(started.set_cookie),
            "continue_to": f"/latch/arrived?to={return_path.seal(self._codec, target, now_ms=now_ms)}",
        }
        return JSONResponse(body, 201)

    async def end(self, request: Request) -> JSONResponse:
        """End one session; 200 or 202 with a receipt, 404 if the account has no such session."""
        session = request.path_params["session"]
        if not is_id(session):
            raise BadRequest("bad_session_id", "expected an id of 22 base64url characters")
        receipt = await self._revoker.revoke(
            account_of(request), [("session", session)], reason="ended_by_website", repeat_key=repeat_key_of(request)
        )
        return receipt_response(receipt)

    async def revoke_account(self, request: Request) -> JSONResponse:
        """Sign an account out everywhere; sign-ins checked before this are refused from now on."""
        account = account_of(request)
        receipt = await self._revoker.revoke(
            account, [("account", account)], reason="signed_out_everywhere", repeat_key=repeat_key_of(request)
        )
        return receipt_response(receipt)

    async def revoke_everybody(self, request: Request) -> JSONResponse:
        """Sign every account out; sign-ins checked before this are refused from now on."""
        receipt = await self._everybody.revoke(reason="everybody_signed_out", repeat_key=repeat_key_of(request))
        return receipt_response(receipt)

    async def receipt(self, request: Request) -> JSONResponse:
        """The receipt of a revocation of the last 24 hours, as of now."""
        return receipt_response(await self._revoker.find(request.path_params["revocation"]))
