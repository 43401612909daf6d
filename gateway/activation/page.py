"""The page on which the owner of an account lets a TV or console in: type or scan the code, see what asks, decide.

    GET   /latch/activate             the field; with ?user_code= (from a picture code) the question at once
    POST  /latch/activate             field `user_code`; the question, or 400 with the error at the field
    POST  /latch/activate/connect     field `user_code`; lets the device in; fields `give_up_<id>` name devices that are
                                      signed out first, where the account has as many as it may
    POST  /latch/activate/refuse      field `user_code`; the device is told no
    GET   /latch/activate/again       the question again, for who had to give the password before giving a device up

Plain forms, no script. There is always a question, also for a code that was scanned (RFC 8628 section 3.3.1): whoever
sends a link with a code of his own hopes that nobody looks (section 5.4).
"""

from collections.abc import Callable
from datetime import UTC
from typing import Final

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from .. import logs
from ..clock import Clock
from ..devices.card import Card, cards
from ..devices.limit import FIELD, DeviceLimit, Full, chosen_in
from ..devices.page import BASE_URL as DEVICES_URL
from ..devices.page import Endpoint
from ..devices.place import Places, prefix_of
from ..devices.spoken import details_in, label_in, picture_of, this_device, this_device_first
from ..errors import EdgeError, StoreAway
from ..ids import Account
from ..pages.forms import form_fields
from ..pages.language import Language
from ..pages.render import Pages
from ..pages.visitor import visitor_of
from ..pages.words import spoken_minutes
from ..tokens.log_names import LogNames
from .approvals import Approvals, Wrong
from .beside import beside, warning
from .grants import Decision, Waiting

URL: Final = "/latch/activate"
_log = logs.get("activation")


def routes(
    *,
    approvals: Approvals,
    places: Places,
    names: LogNames,
    address_of: Callable[[Request], str],
    limit: DeviceLimit,
    clock: Clock,
    gate: Callable[[ASGIApp], ASGIApp],
    fresh_gate: Callable[[ASGIApp], ASGIApp] | None = None,
    pages: Pages,
) -> list[Route]:
    """The page's routes; `gate` puts a `Visitor` into `scope["latch"]` or sends the browser to the sign-in page.

    `fresh_gate` as for the page of devices: who is to give a device up passes it first.
    """
    endpoints = ActivatePage(
        approvals, places, names, address_of, limit, clock, pages, wants_fresh=fresh_gate is not None
    )

    def route(path: str, endpoint: Endpoint, method: str, *, asks: bool = False) -> Route:
        before = fresh_gate if asks and fresh_gate is not None else gate
        return Route(URL + path, endpoints.answering(endpoint), methods=[method], middleware=[Middleware(before)])

    return [
        route("", endpoints.show, "GET"),
        route("", endpoints.enter, "POST"),
        route("/again", endpoints.show, "GET", asks=True),
        route("/connect", endpoints.connect, "POST"),
        route("/refuse", endpoints.refuse, "POST"),
    ]


class ActivatePage:
    """The endpoints; nothing is kept between requests."""

    def __init__(
        self,
        approvals: Approvals,
        places: Places,
        names: LogNames,
        address_of: Callable[[Request], str],
        limit: DeviceLimit,
        clock: Clock,
        pages: Pages,
        *,
        wants_fresh: bool,
    ) -> None:
        self._approvals = approvals
        self._places = places
        self._names = names
        self._address_of = address_of
        self._limit = limit
        self._clock = clock
        self._pages = pages
        self._wants_fresh = wants_fresh

    def answering(self, endpoint: Endpoint) -> Endpoint:
        """`endpoint`, with an error turned into a page that says what to do."""

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except EdgeError as error:
                reader = self._pages.reader(request)
                return reader.error_page(
                    error,
                    what_to_do=_remedy(error, reader.language),
                    back_url=URL,
                    back_words=reader.language.gettext("Enter the code"),
                )

        return answer

    async def show(self, request: Request) -> Response:
        """The field, or the question about a code that came in the address."""
        scanned = request.query_params.get("user_code", "")
        return await self._ask(request, scanned) if scanned else self._field(request)

    async def enter(self, request: Request) -> Response:
        """The question about the code that was typed."""
        return await self._ask(request, (await form_fields(request)).get("user_code", ""))

    async def connect(self, request: Request) -> Response:
        """Let the device in."""
        return await self._settle(request, "approved")

    async def refuse(self, request: Request) -> Response:
        """Tell the device no."""
        return await self._settle(request, "refused")

    async def _ask(self, request: Request, typed: str) -> Response:
        found = await self._find(request, typed)
        if isinstance(found, Wrong):
            return self._field(request, found, typed)
        return await self._question(request, found)

    async def _question(self, request: Request, found: Waiting, chosen: list[str] | None = None) -> Response:
        """The question; once more, with what was `chosen`, if that was too little to give up."""
        visitor, code = visitor_of(request), self._approvals.form.shown(found.user_code)
        full = await self._limit.full(visitor.account, keep=visitor.device)
        if full is not None and self._wants_fresh and visitor.level != "fresh":
            return RedirectResponse(f"{URL}/again?user_code={code}", 303, {"cache-control": "no-store"})
        reader = self._pages.reader(request)
        what, language = found.asking.described(), reader.language
        facts = beside(found.asking, self._address_of(request), self._places, language)
        return reader.page(
            "activate_confirm.html",
            status=200 if chosen is None else 400,
            full=full,
            cards=self._cards(full, language),
            field=FIELD,
            chosen=chosen or [],
            wrong=chosen is not None,
            url=URL,
            code=code,
            this=this_device(what.kind, language),
            this_first=this_device_first(what.kind, language),
            kind=picture_of(what.kind),
            label=label_in(what.label, what.client, what.os, language),
            details=details_in(what.make, what.client, what.os, what.label, language),
            facts=facts,
            warning=warning(facts, this_device_first(what.kind, language), language),
            is_same_network=found.asking.network != "" and found.asking.network == prefix_of(self._address_of(request)),
        )

    async def _settle(self, request: Request, decision: Decision) -> Response:
        fields = await form_fields(request)
        typed = fields.get("user_code", "")
        found = await self._find(request, typed)
        if isinstance(found, Wrong):
            return self._field(request, found, typed)
        visitor, reader, told = visitor_of(request), self._pages.reader(request), None
        full = await self._limit.full(visitor.account, keep=visitor.device) if decision == "approved" else None
        if full is not None:
            chosen = chosen_in(fields)
            if len(chosen) < full.surplus or (self._wants_fresh and visitor.level != "fresh"):
                return await self._question(request, found, chosen)
            if not await self._approvals.hold(
                found,
                Account(visitor.account),
                session=visitor.session,
                authenticated_at_ms=visitor.authenticated_at_ms,
            ):
                # Nothing is signed out for a device that cannot come in any more.
                return self._field(request, Wrong("unknown"), typed)
            receipt = await self._limit.give_up(visitor.account, chosen, full)
            told = full.tell(receipt, chosen, reader.language)
        done = await self._approvals.settle(
            found,
            decision,
            Account(visitor.account),
            session=visitor.session,
            authenticated_at_ms=visitor.authenticated_at_ms,
        )
        if not done:
            return self._field(request, Wrong("unknown"), typed)
        what = found.asking.described()
        event = "device_approved" if decision == "approved" else "device_refused"
        _log.info(event, account=self._names.of("account", visitor.account), device_kind=what.kind)
        return reader.page(
            "activate_done.html",
            told=told,
            is_connected=decision == "approved",
            this_first=this_device_first(what.kind, reader.language),
            label=label_in(what.label, what.client, what.os, reader.language),
            devices_url=DEVICES_URL,
        )

    def _cards(self, full: Full | None, language: Language) -> list[Card]:
        rows = () if full is None else full.devices
        return cards(rows, language, self._places, now_ms=self._clock.wall_ms(), zone=UTC)[1]

    async def _find(self, request: Request, typed: str) -> Waiting | Wrong:
        return await self._approvals.find(typed, Account(visitor_of(request).account), self._address_of(request))

    def _field(self, request: Request, wrong: Wrong | None = None, typed: str = "") -> Response:
        form, reader = self._approvals.form, self._pages.reader(request)
        words = reader.language.gettext(form.words)
        return reader.page(
            "activate.html",
            status=200 if wrong is None else 429 if wrong.reason == "spent" else 400,
            headers={"retry-after": str(wrong.wait_seconds)} if wrong is not None and wrong.wait_seconds else None,
            url=URL,
            form_words=words,
            example=form.shown(form.alphabet[: form.length]),
            is_digits=form.alphabet.isdigit(),
            error="" if wrong is None else _problem(wrong, words, reader.language),
            typed=typed,
        )


def _remedy(error: EdgeError, language: Language) -> str:
    if isinstance(error, StoreAway):
        return language.gettext("The code is still good. Please try again in a few seconds.")
    return language.gettext("Nothing was connected. Please go back and enter the code again.")


def _problem(wrong: Wrong, form_words: str, language: Language) -> str:
    if wrong.reason == "unreadable":
        return language.gettext("A code has %(form)s. Please look at your TV again.", form=form_words)
    if wrong.reason == "spent":
        wait = spoken_minutes(-(-wrong.wait_seconds // 60), language)
        return language.gettext(
            "Too many wrong codes. Please wait %(wait)s, then try again; nothing is lost.", wait=wait
        )
    return language.gettext("No device is waiting with this code. It may have expired: ask your TV for a new one.")
