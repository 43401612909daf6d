"""The choices page: what a visitor allows, signed in or not; a plain form, no script.

GET   /latch/choices    what was chosen, or the two boxes empty
POST  /latch/choices    fields `analytics` and `sharing` if their boxes are ticked; 303 back with the cookies
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ..errors import EdgeError
from ..pages.forms import form_fields
from ..pages.render import Pages
from .choices import ChoiceCookies

URL: Final = "/latch/choices"
_SAVED: Final = f"{URL}?saved=1"


class ChoicesPage:
    """The two endpoints. Nothing is stored here: a choice lives in its browser."""

    def __init__(self, cookies: ChoiceCookies, pages: Pages) -> None:
        self._cookies = cookies
        self._pages = pages

    def routes(self) -> list[Route]:
        """The routes, open to everybody; the cross-origin check around all pages refuses posts of other sites."""
        return [Route(URL, self.show, methods=["GET"]), Route(URL, self.choose, methods=["POST"])]

    async def show(self, request: Request) -> Response:
        """The form."""
        chosen = self._cookies.read(request.headers.raw).choices
        return self._pages.reader(request).page(
            "choices.html",
            action=URL,
            chosen=chosen,
            is_outdated=chosen is not None and chosen.policy != self._cookies.policy_version,
            has_gpc=request.headers.get("sec-gpc") == "1",
            # Without cookies there is nothing to tell: the choice was not kept.
            is_saved=chosen is not None and request.query_params.get("saved") == "1",
        )

    async def choose(self, request: Request) -> Response:
        """Set the cookies and show what they say now. A form that cannot be read chooses nothing."""
        try:
            fields = await form_fields(request)
        except EdgeError as error:
            return self._pages.reader(request).error_page(error, back_url=URL)
        response = RedirectResponse(_SAVED, 303, {"cache-control": "private, no-store"})
        for line in self._cookies.choose(
            request.headers.raw, analytics="analytics" in fields, sharing="sharing" in fields
        ):
            response.headers.append("set-cookie", line)
        return response
