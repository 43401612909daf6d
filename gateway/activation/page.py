"""The page on which the owner of an account lets a TV or console in: type or scan the code, see what asks, decide.

    GET   /latch/activate             the field; with ?user_code= (from a picture code) the question at once
    POST  /latch/activate             field `user_code`; the question, or 400 with the error at the field
    POST  /latch/activate/connect     field `user_code`; lets the device in
    POST  /latch/activate/refuse      field `user_code`; the device is told no

Plain forms, no script. There is always a question, also for a code that was scanned (RFC 8628 section 3.3.1): whoever
sends a link with a code of his own hopes that nobody looks (section 5.4).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from .. import logs
from ..devices.page import BASE_URL as DEVICES_URL
from ..devices.place import Places, prefix_of
from ..devices.spoken import details_in, label_in, picture_of, this_device, this_device_first
from ..errors import EdgeError, StoreAway
from ..ids import Account
from ..pages.forms import form_fields
from ..pages.language import Language, isolated
from ..pages.render import Pages
from ..pages.words import country, spoken_minutes
from ..tokens.log_names import LogNames
from .approvals import Approvals, Wrong
from .grants import Asking, Decision, Waiting

URL: Final = "/latch/activate"
_log = logs.get("activation")


class Visitor(Protocol):
    """Who asks, as the gate put it into `scope["latch"]`."""

    @property
    def account(self) -> str:
        """The account that is signed in."""
        ...

    @property
    def session(self) -> str:
        """The id of the session."""
        ...

    @property
    def authenticated_at_ms(self) -> int:
        """When its password was checked."""
        ...


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known of where the device is, beside the same of the person who decides."""

    id: Literal["country", "provider", "network"]
    name: str
    device: str
    yours: str


def routes(
    *,
    approvals: Approvals,
    places: Places,
    names: LogNames,
    address_of: Callable[[Request], str],
    gate: Callable[[ASGIApp], ASGIApp],
    pages: Pages,
) -> list[Route]:
    """The page's routes; `gate` puts a `Visitor` into `scope["latch"]` or sends the browser to the sign-in page."""
    endpoints = ActivatePage(approvals, places, names, address_of, pages)
    behind_gate = [Middleware(gate)]

    def route(path: str, endpoint: Callable[[Request], Awaitable[Response]], method: str) -> Route:
        return Route(URL + path, endpoints.answering(endpoint), methods=[method], middleware=behind_gate)

    return [
        route("", endpoints.show, "GET"),
        route("", endpoints.enter, "POST"),
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
        pages: Pages,
    ) -> None:
        self._approvals = approvals
        self._places = places
        self._names = names
        self._address_of = address_of
        self._pages = pages

    def answering(self, endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
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
        reader = self._pages.reader(request)
        what, language = found.asking.described(), reader.language
        facts = self._facts(found.asking, self._address_of(request), language)
        return reader.page(
            "activate_confirm.html",
            url=URL,
            code=self._approvals.form.shown(found.user_code),
            this=this_device(what.kind, language),
            this_first=this_device_first(what.kind, language),
            kind=picture_of(what.kind),
            label=label_in(what.label, what.client, what.os, language),
            details=details_in(what.make, what.client, what.os, what.label, language),
            facts=facts,
            warning=_warning(facts, this_device_first(what.kind, language), language),
            is_same_network=found.asking.network != "" and found.asking.network == prefix_of(self._address_of(request)),
        )

    async def _settle(self, request: Request, decision: Decision) -> Response:
        typed = (await form_fields(request)).get("user_code", "")
        found = await self._find(request, typed)
        if isinstance(found, Wrong):
            return self._field(request, found, typed)
        visitor = _visitor(request)
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
        reader = self._pages.reader(request)
        return reader.page(
            "activate_done.html",
            is_connected=decision == "approved",
            this_first=this_device_first(what.kind, reader.language),
            label=label_in(what.label, what.client, what.os, reader.language),
            devices_url=DEVICES_URL,
        )

    async def _find(self, request: Request, typed: str) -> Waiting | Wrong:
        return await self._approvals.find(typed, Account(_visitor(request).account), self._address_of(request))

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

    def _facts(self, asking: Asking, address: str, language: Language) -> list[Fact]:
        yours = self._places.of(address)
        facts = [
            Fact(
                "country",
                language.gettext("Country"),
                country(asking.country, language),
                country(yours.country or "", language),
            ),
            Fact("provider", language.gettext("Internet provider"), asking.provider, yours.provider or ""),
            Fact("network", language.gettext("Network"), asking.network, prefix_of(address)),
        ]
        return [fact for fact in facts if fact.device or fact.yours]


def _visitor(request: Request) -> Visitor:
    visitor: Visitor = request.scope["latch"]
    return visitor


def _remedy(error: EdgeError, language: Language) -> str:
    if isinstance(error, StoreAway):
        return language.gettext("The code is still good. Please try again in a few seconds.")
    return language.gettext("Nothing was connected. Please go back and enter the code again.")


def _warning(facts: list[Fact], this_first: str, language: Language) -> str:
    """What the person should know before deciding; a network tells nothing, for phones have their own."""
    differing = {fact.id: fact for fact in facts if fact.device and fact.yours and fact.device != fact.yours}
    if "country" in differing:
        return language.gettext(
            "%(device)s asks from another country (%(its_country)s) than you (%(your_country)s).",
            device=this_first,
            its_country=isolated(differing["country"].device),
            your_country=isolated(differing["country"].yours),
        )
    if "provider" in differing:
        return language.gettext(
            "%(device)s uses another Internet provider than you. Unless you are on mobile data, it is elsewhere.",
            device=this_first,
        )
    return ""


def _problem(wrong: Wrong, form_words: str, language: Language) -> str:
    if wrong.reason == "unreadable":
        return language.gettext("A code has %(form)s. Please look at your TV again.", form=form_words)
    if wrong.reason == "spent":
        wait = spoken_minutes(-(-wrong.wait_seconds // 60), language)
        return language.gettext(
            "Too many wrong codes. Please wait %(wait)s, then try again; nothing is lost.", wait=wait
        )
    return language.gettext("No device is waiting with this code. It may have expired: ask your TV for a new one.")
