"""The pages around a session: arriving after signing in, and signing out.

GET  /latch/arrived?to=…   did the browser keep the cookie? yes: on to the sealed target; no: a page that says so
GET  /latch/sign-out       asks once more
POST /latch/sign-out       ends the session everywhere and clears its cookies
GET  /latch/sign-out-everywhere   asks once more
POST /latch/sign-out-everywhere   signs the account out on every device; the answer is the receipt in words
"""

import contextlib
from collections.abc import Callable
from datetime import UTC
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from latchstring_middleware.cookies import clear_cookie

from ..clock import Clock
from ..devices.receipt_page import receipt_page
from ..errors import EdgeError, NotFound
from ..hot_route import head_of
from ..ids import Account, to_text
from ..pages.render import Pages
from ..revocation.revoke import Revoker
from ..tokens.codec import Codec, Refused
from ..tokens.purposes import Lease
from ..wire import Head
from . import return_path, visit
from .check import Accepted, Checker
from .policy import DEVICE_COOKIE, RUN_COOKIE, SESSION_COOKIE

ARRIVED_URL: Final = "/latch/arrived"
SIGN_OUT_URL: Final = "/latch/sign-out"
EVERYWHERE_URL: Final = "/latch/sign-out-everywhere"
_CLEARED: Final = (clear_cookie(SESSION_COOKIE), clear_cookie(RUN_COOKIE))
_CLEAR_SITE_DATA: Final = '"cache", "storage"'


class SessionPages:
    """Holds the collaborators of the pages."""

    def __init__(
        self,
        *,
        checker: Checker,
        revoker: Revoker,
        codec: Codec,
        clock: Clock,
        pages: Pages,
        sign_in_url: str,
        address_of: Callable[[Head], str],
    ) -> None:
        self._address_of = address_of
        self._checker = checker
        self._revoker = revoker
        self._codec = codec
        self._clock = clock
        self._pages = pages
        self._sign_in_url = sign_in_url

    def routes(self) -> list[Route]:
        """The routes, reached through the proxy without forward auth."""
        return [
            Route(ARRIVED_URL, self.arrived, methods=["GET"]),
            Route(SIGN_OUT_URL, self.ask, methods=["GET"]),
            Route(SIGN_OUT_URL, self.sign_out, methods=["POST"]),
            Route(EVERYWHERE_URL, self.ask_everywhere, methods=["GET"]),
            Route(EVERYWHERE_URL, self.sign_out_everywhere, methods=["POST"]),
        ]

    async def arrived(self, request: Request) -> Response:
        """303 to the target if the browser brought its new cookie back, else the cookies-required page."""
        visited = self._visit(request)
        if visited.token is None:
            return self._pages.reader(request).page("cookies_required.html", status=403, retry_url=self._sign_in_url)
        target = return_path.open_target(self._codec, request.query_params.get("to", ""), now_ms=self._clock.wall_ms())
        return RedirectResponse(target, 303, {"cache-control": "no-store"})

    async def ask(self, request: Request) -> Response:
        """The page with the button."""
        return self._pages.reader(request).page(
            "sign_out.html", action=SIGN_OUT_URL, everywhere_url=EVERYWHERE_URL, back_url="/"
        )

    async def sign_out(self, request: Request) -> Response:
        """End the session everywhere; the browser's cookies go only when the store has said so."""
        visited = self._visit(request)
        try:
            verdict = await self._checker.check(visited)
            # "over" may be this browser's alone (its run cookie is gone): the session itself can still be alive.
            if isinstance(verdict, Accepted) or verdict.reason == "over":
                await self._end(visited.token)
        except EdgeError as error:
            return self._pages.reader(request).error_page(error, back_url=SIGN_OUT_URL)
        response = self._pages.reader(request).page(
            "signed_out.html",
            sign_in_url=self._sign_in_url,
            headers={"clear-site-data": _CLEAR_SITE_DATA},
        )
        return _cleared(response)

    async def ask_everywhere(self, request: Request) -> Response:
        """The page with the button for every device."""
        return self._pages.reader(request).page(
            "sign_out_everywhere.html", action=EVERYWHERE_URL, back_url=SIGN_OUT_URL
        )

    async def sign_out_everywhere(self, request: Request) -> Response:
        """Sign the account out on every device; sign-ins that were checked before are refused. 303 for a stranger."""
        visited = self._visit(request)
        try:
            verdict = await self._checker.check(visited)
            if not isinstance(verdict, Accepted):
                return RedirectResponse(self._sign_in_url, 303, {"cache-control": "no-store"})
            account = Account(verdict.lease.account)
            receipt = await self._revoker.revoke(account, [("account", account)], reason="signed_out_everywhere")
        except EdgeError as error:
            return self._pages.reader(request).error_page(error, back_url=EVERYWHERE_URL)
        reader = self._pages.reader(request)
        whole = reader.language.gettext("Your account")
        response = receipt_page(receipt, [whole], reader, zone=UTC, base_url="/", signed_out_here=True)
        response.headers["clear-site-data"] = _CLEAR_SITE_DATA
        return _cleared(response)

    def _visit(self, request: Request) -> visit.Visit:
        head = head_of(request.scope)
        return visit.read(head, None, arrived_ns=self._clock.boot_ns(), client_address=self._address_of(head))

    async def _end(self, token: bytes | None) -> None:
        lease = self._codec.open(token or b"", Lease)
        if not isinstance(lease, Refused):
            with contextlib.suppress(NotFound):
                session = to_text(lease.session)
                await self._revoker.revoke(Account(lease.account), [("session", session)], reason="signed_out")


def forget_browser(response: Response) -> None:
    """Take from the browser all that tells who was signed in on it, or which browser it is: it may be sold.

    What the website has stored there goes too, and its cookies, which only the browser can find.
    """
    response.headers["clear-site-data"] = '"cache", "cookies", "storage"'
    for name in (SESSION_COOKIE, RUN_COOKIE, DEVICE_COOKIE):
        response.headers.append("set-cookie", clear_cookie(name))


def _cleared(response: Response) -> Response:
    for line in _CLEARED:
        response.headers.append("set-cookie", line)
    return response
