"""The pages around a session: arriving after signing in, and signing out.

GET  /latch/arrived?to=…   did the browser keep the cookie? yes: on to the sealed target; no: a page that says so
GET  /latch/sign-out       asks once more
POST /latch/sign-out       ends the session everywhere and clears its cookies
"""

import contextlib
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from latchstring_middleware.cookies import clear_cookie

from ..clock import Clock
from ..errors import EdgeError, NotFound
from ..hot_route import head_of
from ..ids import Account, to_text
from ..pages.render import error_page, page
from ..revocation.revoke import Revoker
from ..tokens.codec import Codec, Refused
from ..tokens.purposes import Lease
from . import return_path, visit
from .check import Accepted, Checker
from .policy import RUN_COOKIE, SESSION_COOKIE

ARRIVED_URL: Final = "/latch/arrived"
SIGN_OUT_URL: Final = "/latch/sign-out"
_CLEARED: Final = (clear_cookie(SESSION_COOKIE), clear_cookie(RUN_COOKIE))


class SessionPages:
    """Holds the collaborators of the pages."""

    def __init__(
        self, *, checker: Checker, revoker: Revoker, codec: Codec, clock: Clock, site_name: str, sign_in_url: str
    ) -> None:
        self._checker = checker
        self._revoker = revoker
        self._codec = codec
        self._clock = clock
        self._site_name = site_name
        self._sign_in_url = sign_in_url

    def routes(self) -> list[Route]:
        """The routes, reached through the proxy without forward auth."""
        return [
            Route(ARRIVED_URL, self.arrived, methods=["GET"]),
            Route(SIGN_OUT_URL, self.ask, methods=["GET"]),
            Route(SIGN_OUT_URL, self.sign_out, methods=["POST"]),
        ]

    async def arrived(self, request: Request) -> Response:
        """303 to the target if the browser brought its new cookie back, else the cookies-required page."""
        visited = visit.read(head_of(request.scope), None, arrived_ns=self._clock.boot_ns())
        if visited.token is None:
            return page("cookies_required.html", site_name=self._site_name, status=403, retry_url=self._sign_in_url)
        target = return_path.open_target(self._codec, request.query_params.get("to", ""), now_ms=self._clock.wall_ms())
        return RedirectResponse(target, 303, {"cache-control": "no-store"})

    async def ask(self, request: Request) -> Response:
        """The page with the button."""
        return page("sign_out.html", site_name=self._site_name, action=SIGN_OUT_URL, back_url="/")

    async def sign_out(self, request: Request) -> Response:
        """End the session everywhere; the browser's cookies go only when the store has said so."""
        visited = visit.read(head_of(request.scope), None, arrived_ns=self._clock.boot_ns())
        try:
            verdict = await self._checker.check(visited)
            # "over" may be this browser's alone (its run cookie is gone): the session itself can still be alive.
            if isinstance(verdict, Accepted) or verdict.reason == "over":
                await self._end(visited.token)
        except EdgeError as error:
            return error_page(error, site_name=self._site_name, back_url=SIGN_OUT_URL)
        response = page(
            "signed_out.html",
            site_name=self._site_name,
            sign_in_url=self._sign_in_url,
            headers={"clear-site-data": '"cache", "storage"'},
        )
        for line in _CLEARED:
            response.headers.append("set-cookie", line)
        return response

    async def _end(self, token: bytes | None) -> None:
        lease = self._codec.open(token or b"", Lease)
        if not isinstance(lease, Refused):
            with contextlib.suppress(NotFound):
                session = to_text(lease.session)
                await self._revoker.revoke(Account(lease.account), [("session", session)], reason="signed_out")
