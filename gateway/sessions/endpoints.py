"""The backend's URL that begins a session; those that end one are in revocation/endpoints.py.

POST /v1/sessions   201 with cookies to relay; 409 too_many_devices with those to choose from, and a page for people
"""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from latchstring_middleware.problems import MEDIA_TYPE

from ..api_requests import checked_account, read_json
from ..clock import Clock
from ..devices.limit import DeviceLimit, Full
from ..fingerprint.ja4 import ja4_of
from ..fingerprint.signals import Observed
from ..recognition.hints import read_hints
from ..tokens.codec import Codec
from . import return_path
from .room import begin
from .sign_in import SignIn
from .start import Starter
from .waiting import too_many_devices

HintName = Annotated[str, Meta(max_length=64)]
HintText = Annotated[str, Meta(max_length=1_024)]


class Browser(Struct, frozen=True, forbid_unknown_fields=True):
    """What the website passes on of the browser's own request, raw."""

    cookie: Annotated[str, Meta(max_length=16_384)] = ""
    user_agent: Annotated[str, Meta(max_length=4_096)] = ""
    address: Annotated[str, Meta(max_length=64)] = ""
    accept_language: Annotated[str, Meta(max_length=256)] = ""
    #: Its Sec-CH-UA headers by name; others may stand among them.
    client_hints: Annotated[dict[HintName, HintText], Meta(max_length=32)] = {}
    #: JA4 of its TLS stack, as the proxy told the website; an id that the website's app keeps on the device.
    ja4: Annotated[str, Meta(max_length=64)] = ""
    installation: Annotated[str, Meta(max_length=128)] = ""


class StartRequest(Struct, frozen=True, forbid_unknown_fields=True, rename={"return_to": "return"}):
    """POST /v1/sessions."""

    account: str
    authenticated_at_ms: Annotated[int, Meta(ge=0, lt=2**53)]
    remember: bool = False
    method: Annotated[str, Meta(min_length=1, max_length=32, pattern=r"\A[a-z0-9_-]+\Z")] = "password"
    browser: Browser = Browser()
    return_to: Annotated[str, Meta(max_length=2_048)] | None = None
    #: Devices to sign out first if there is no room for one more.
    give_up: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=1_000)] = []


class SessionEndpoints:
    """Holds the collaborators of the session route."""

    def __init__(self, starter: Starter, limit: DeviceLimit, codec: Codec, clock: Clock) -> None:
        self._starter = starter
        self._limit = limit
        self._codec = codec
        self._clock = clock

    def routes(self) -> list[Route]:
        """The route below /v1; the app lets only service credentials through to it."""
        return [Route("/v1/sessions", self.start, methods=["POST"])]

    async def start(self, request: Request) -> JSONResponse:
        """201 with the Set-Cookie lines to relay and where to send the browser next; 409 where there is no room."""
        asked = await read_json(request, StartRequest)
        account = checked_account(asked.account)
        sign_in = SignIn(
            account=account,
            remember=asked.remember,
            authenticated_at_ms=asked.authenticated_at_ms,
            method=asked.method,
            cookie=asked.browser.cookie,
            user_agent=asked.browser.user_agent,
            address=asked.browser.address,
            hints=read_hints({name.lower(): value for name, value in asked.browser.client_hints.items()}),
            observed=Observed(
                installation=asked.browser.installation,
                tls=ja4_of(asked.browser.ja4),
                language=asked.browser.accept_language.replace(" ", "").lower(),
            ),
        )
        now_ms = self._clock.wall_ms()
        target = return_path.open_target(self._codec, asked.return_to, now_ms=now_ms) if asked.return_to else "/"
        started, gave_up = await begin(self._starter, self._limit, sign_in, asked.give_up)
        if isinstance(started, Full):
            problem = too_many_devices(self._codec, sign_in, started, target)
            return JSONResponse(problem, 409, {"cache-control": "no-store"}, MEDIA_TYPE.decode())
        body = {
            "session": {
                "id": started.session,
                "account": account,
                "device": started.device,
                "remembered": asked.remember,
                "authenticated_at_ms": asked.authenticated_at_ms,
            },
            "device": {
                "id": started.device,
                "name": started.device_name,
                "kind": started.device_kind,
                "new": started.device_is_new,
                "looks_like": None if started.looks_like is None else started.looks_like.as_dict(),
            },
            "gave_up": None if gave_up is None else gave_up.receipt.as_dict(),
            "set_cookie": list(started.set_cookie),
            "continue_to": f"/latch/arrived?to={return_path.seal(self._codec, target, now_ms=now_ms)}",
        }
        return JSONResponse(body, 201)
