"""Problems in words: whoever opened a page or sent a form gets a page where a script gets JSON (RFC 9457)."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latchstring_middleware.problems import MEDIA_TYPE

from ..errors import EdgeError
from .person import shows_page
from .render import Pages

#: What a page has of its own in place of the problem's.
_OF_THE_BODY: Final = frozenset((b"content-type", b"content-length", b"cache-control"))


class _Told(EdgeError):
    """A problem as it was told, by whatever part of the edge."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("code", "")), str(problem.get("detail", "")))
        self.status = int(problem["status"])  # type: ignore[misc]  # an error whose status is not its class's


class ProblemPages:
    """Turns the problems that an app answers into pages, for people; there are none below the paths `scripts_only`."""

    def __init__(self, app: ASGIApp, pages: Pages, *, scripts_only: tuple[str, ...]) -> None:
        self._app = app
        self._pages = pages
        self._scripts_only = scripts_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if (
            scope["type"] != "http"
            or scope["path"].startswith(self._scripts_only)
            or not shows_page(dict(scope["headers"]))
        ):
            await self._app(scope, receive, send)
            return
        held: list[Message] = []
        body = b""

        async def hold_problems(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start" and (b"content-type", MEDIA_TYPE) in message["headers"]:
                held.append(message)
            elif not held:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    await self._answer(scope, held[0], body, send)

        await self._app(scope, receive, hold_problems)

    async def _answer(self, scope: Scope, start: Message, body: bytes, send: Send) -> None:
        page = self._pages.reader(Request(scope)).error_page(_Told(msgspec.json.decode(body)))
        page_names = {name for name, _ in page.raw_headers}
        kept = [
            (name, value) for name, value in start["headers"] if name not in _OF_THE_BODY and name not in page_names
        ]
        await send({**start, "headers": [*page.raw_headers, *kept]})
        await send({"type": "http.response.body", "body": page.body})
