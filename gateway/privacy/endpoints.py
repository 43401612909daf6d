"""The backend's URLs of a visitor's choices: for websites that ask on pages of their own."""

from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..api_requests import read_json
from ..ids import to_text
from ..tokens.purposes import Choices
from ..wire import Headers
from .choices import ChoiceCookies

CookieText = Annotated[str, Meta(max_length=16_384)]


class ReadRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/choices/read: the browser's Cookie header, raw."""

    cookie: CookieText


class ChooseRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """POST /v1/choices."""

    analytics: bool
    sharing: bool
    cookie: CookieText = ""


class ChoiceEndpoints:
    """The two routes below /v1; the app lets only service credentials through to them."""

    def __init__(self, cookies: ChoiceCookies) -> None:
        self._cookies = cookies

    def routes(self) -> list[Route]:
        """See the class."""
        return [
            Route("/v1/choices", self.choose, methods=["POST"]),
            Route("/v1/choices/read", self.read, methods=["POST"]),
        ]

    async def read(self, request: Request) -> JSONResponse:
        """What the visitor has chosen, and the visitor's id; null for what there is not."""
        asked = await read_json(request, ReadRequest)
        known = self._cookies.read(_headers(asked.cookie))
        return JSONResponse(
            {
                "choices": None if known.choices is None else self._told(known.choices),
                "visitor": None if known.visitor is None else to_text(known.visitor.visitor),
            }
        )

    async def choose(self, request: Request) -> JSONResponse:
        """The Set-Cookie lines to relay to the browser."""
        asked = await read_json(request, ChooseRequest)
        lines = self._cookies.choose(_headers(asked.cookie), analytics=asked.analytics, sharing=asked.sharing)
        return JSONResponse({"set_cookie": lines})

    def _told(self, choices: Choices) -> dict[str, object]:
        return {
            "analytics": choices.analytics,
            "sharing": choices.sharing,
            "policy_version": choices.policy,
            "chosen_at_ms": choices.chosen_at_ms,
            "is_current": choices.policy == self._cookies.policy_version,
        }


def _headers(cookie: str) -> Headers:
    return [(b"cookie", cookie.encode("latin-1", "replace"))]
