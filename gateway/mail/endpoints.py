"""`POST /v1/links`: the website's backend has links and open pixels made, for one mail or for a thousand."""

from typing import Annotated, Final

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..api_requests import read_json
from ..clock import Clock
from ..errors import BadRequest
from ..ids import to_bytes
from ..shipping.pseudonyms import Pseudonyms
from .life import LinkLife
from .links import MAX_DAYS, Links, Mailing, checked_label, key_of

#: Addresses in one answer, pixels included: some 2 MB and 20 ms of a worker.
MAX_ADDRESSES: Final = 5_000
_DAY_MS: Final = 86_400_000

_Name = Annotated[str, Meta(min_length=1, max_length=320)]


class MakeRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body. Without `recipients` one mail is made that names nobody; `sent_at_ms` is now unless told."""

    campaign: str
    targets: Annotated[list[str], Meta(max_length=1_000)]
    message: str = ""
    recipients: Annotated[list[_Name], Meta(max_length=1_000)] = []
    days: Annotated[int, Meta(ge=1, le=MAX_DAYS)] = 90
    sent_at_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None


class LinkEndpoints:
    """The route below /v1; the app lets only service credentials through to it."""

    def __init__(self, links: Links, pseudonyms: Pseudonyms, life: LinkLife, clock: Clock) -> None:
        self._links = links
        self._pseudonyms = pseudonyms
        self._life = life
        self._clock = clock

    def routes(self) -> list[Route]:
        """See the class."""
        return [Route("/v1/links", self.make, methods=["POST"])]

    async def make(self, request: Request) -> JSONResponse:
        """Every target for every recipient, in their order, and a pixel for each mail.

        Raises BadRequest, and StoreAway: then no link was handed out.
        """
        asked = await read_json(request, MakeRequest)
        if (len(asked.targets) + 1) * max(1, len(asked.recipients)) > MAX_ADDRESSES:
            raise BadRequest("too_many_links", f"expected at most {MAX_ADDRESSES} addresses in one request")
        campaign = checked_label("campaign", asked.campaign)
        message = checked_label("message", asked.message) if asked.message else ""
        targets = [self._links.checked_target(target) for target in asked.targets]
        now_ms = self._clock.wall_ms()
        expires_at_ms = now_ms + asked.days * _DAY_MS
        sent_at_ms = now_ms if asked.sent_at_ms is None else asked.sent_at_ms
        mails: list[dict[str, object]] = []
        key_ids: set[str] = set()
        nobody: tuple[str | None, ...] = (None,)
        for recipient in asked.recipients or nobody:
            mailing = Mailing(campaign, message, self._pseudonym(recipient), sent_at_ms, expires_at_ms)
            links = [self._links.link(mailing, target) for target in targets]
            pixel = self._links.pixel(mailing)
            mails.append({"recipient": recipient, "links": links, "pixel": pixel})
            # Another key may begin to sign at any moment.
            key_ids.update(map(key_of, (*links, pixel)))
        await self._life.note(key_ids, expires_at_ms)
        return JSONResponse({"expires_at_ms": expires_at_ms, "mails": mails}, 201, {"cache-control": "no-store"})

    def _pseudonym(self, recipient: str | None) -> bytes:
        return b"" if recipient is None else to_bytes(self._pseudonyms.of("recipient", recipient.encode()))
