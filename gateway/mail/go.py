"""`GET /go/…`: a link of a mail that is followed, or its open pixel that is fetched; kept, then answered.

302 to the target; 200 with a GIF. A link that is over, cut or altered gets a page that says so (410, 400), a pixel the
same status. Nobody is sent anywhere that is not kept: a full disk is 503, a flood 429, with the way on as a link.
"""

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import metrics
from ..beacons.floods import Floods
from ..beacons.hit import GIF
from ..beacons.payload import FORMAT, LINK, OPEN, MailHit, encode, kept_headers
from ..clock import Clock
from ..errors import EdgeError, StoreAway, TooMany
from ..hot_route import AppendRecord, head_of, is_kept
from ..ids import to_text
from ..pages.render import Pages, Reader
from ..tokens.purposes import MailLink, OpenPixel
from ..wire import Head
from .links import PIXEL_ENDING, PREFIX, Links, without_query

_PREFIX: Final = PREFIX.encode()
_PIXEL_ENDING: Final = PIXEL_ENDING.encode()
_NO_STORE: Final = {"cache-control": "no-store", "x-robots-tag": "noindex"}


class MailAddresses:
    """The route below /go; `append` is the journal's."""

    def __init__(self, links: Links, clock: Clock, append: AppendRecord, floods: Floods, pages: Pages) -> None:
        self._links = links
        self._clock = clock
        self._append = append
        self._floods = floods
        self._pages = pages

    def routes(self) -> list[Route]:
        """See the class."""
        return [Route(f"{PREFIX}{{rest:path}}", self.go, methods=["GET"])]

    async def go(self, request: Request) -> Response:
        """Link or pixel, by its ending."""
        head = head_of(request.scope)
        token = head.target.partition(b"?")[0].removeprefix(_PREFIX)
        if token.endswith(_PIXEL_ENDING):
            return await self._fetch(head, token.removesuffix(_PIXEL_ENDING))
        return await self._follow(head, token, self._pages.reader(request))

    async def _follow(self, head: Head, token: bytes, reader: Reader) -> Response:
        found = self._links.opened(token, MailLink)
        if isinstance(found, EdgeError):
            metrics.MAIL.labels("link", found.code).inc()
            return reader.error_page(found)
        refusal = await self._refusal(head, LINK, found, without_query(found.target))
        metrics.MAIL.labels("link", refusal.code if refusal else "kept").inc()
        if refusal is None:
            return Response(status_code=302, headers={**_NO_STORE, "location": found.target})
        # Where the link leads is signed, so the person is not to suffer for what we could not do.
        return reader.error_page(
            refusal,
            what_to_do=reader.language.gettext(
                "We could not note that you came this way, so we do not send you on by ourselves."
            ),
            back_url=found.target,
            back_words=reader.language.gettext("Go on"),
        )

    async def _fetch(self, head: Head, token: bytes) -> Response:
        found = self._links.opened(token, OpenPixel)
        refusal = found if isinstance(found, EdgeError) else await self._refusal(head, OPEN, found)
        metrics.MAIL.labels("pixel", refusal.code if refusal else "kept").inc()
        # A picture in any case: a mail program shows no broken one.
        return Response(GIF, refusal.status if refusal else 200, _NO_STORE, media_type="image/gif")

    async def _refusal(self, head: Head, source: str, said: MailLink | OpenPixel, link: str = "") -> EdgeError | None:
        """Why it does not count, or None: then it is on disk."""
        if seconds := self._floods.refuses(head, source):
            return TooMany("too_many_hits", "too many of these from one place", retry_after_seconds=seconds)
        recipient = to_text(said.recipient) if said.recipient else ""
        body = msgspec.json.encode(MailHit(said.campaign, said.message, recipient, said.sent_at_ms, link))
        now_ms, headers = self._clock.wall_ms(), kept_headers(head)
        hit = encode((FORMAT, source, now_ms, head.peer, head.method, _PREFIX, headers, body, len(body)))
        return None if await is_kept(hit, self._append) else StoreAway("the journal cannot take it", code="not_kept")
