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
from typing import Final, Protocol

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from .. import logs
from ..devices.card import noun_of
from ..devices.page import BASE_URL as DEVICES_URL
from ..devices.place import Places, prefix_of
from ..errors import EdgeError, StoreAway
from ..ids import Account
from ..pages.forms import form_fields
from ..pages.render import error_page, page
from ..pages.words import count
from ..recognition.describe import Description
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
    site_name: str,
) -> list[Route]:
    """The page's routes; `gate` puts a `Visitor` into `scope["latch"]` or sends the browser to the sign-in page."""
    pages = ActivatePage(approvals, places, names, address_of, site_name=site_name)
    behind_gate = [Middleware(gate)]

    def route(path: str, endpoint: Callable[[Request], Awaitable[Response]], method: str) -> Route:
        return Route(URL + path, pages.answering(endpoint), methods=[method], middleware=behind_gate)

    return [
        route("", pages.show, "GET"),
        route("", pages.enter, "POST"),
        route("/connect", pages.connect, "POST"),
        route("/refuse", pages.refuse, "POST"),
    ]


class ActivatePage:
    """The endpoints; nothing is kept between requests."""

    def __init__(
        self,
        approvals: Approvals,
        places: Places,
        names: LogNames,
        address_of: Callable[[Request], str],
        *,
        site_name: str,
    ) -> None:
        self._approvals = approvals
        self._places = places
        self._names = names
        self._address_of = address_of
        self._site_name = site_name

    def answering(self, endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """`endpoint`, with an error turned into a page that says what to do."""

        async def answer(request: Request) -> Response:
            try:
                return await endpoint(request)
            except EdgeError as error:
                remedy = "Nothing was connected. Please go back and enter the code again."
                if isinstance(error, StoreAway):
                    remedy = "The code is still good. Please try again in a few seconds."
                return error_page(
                    error, site_name=self._site_name, what_to_do=remedy, back_url=URL, back_words="Enter the code"
                )

        return answer

    async def show(self, request: Request) -> Response:
        """The field, or the question about a code that came in the address."""
        scanned = request.query_params.get("user_code", "")
        return await self._ask(request, scanned) if scanned else self._field()

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
            return self._field(found, typed)
        what = found.asking.described()
        return page(
            "activate_confirm.html",
            site_name=self._site_name,
            url=URL,
            code=self._approvals.form.shown(found.user_code),
            noun=noun_of(what.kind),
            kind=what.kind,
            label=what.label,
            details=_details(what),
            facts=(facts := self._facts(found.asking, self._address_of(request))),
            warning=_warning(facts, noun_of(what.kind)),
            is_same_network=found.asking.network != "" and found.asking.network == prefix_of(self._address_of(request)),
        )

    async def _settle(self, request: Request, decision: Decision) -> Response:
        typed = (await form_fields(request)).get("user_code", "")
        found = await self._find(request, typed)
        if isinstance(found, Wrong):
            return self._field(found, typed)
        visitor = _visitor(request)
        done = await self._approvals.settle(
            found,
            decision,
            Account(visitor.account),
            session=visitor.session,
            authenticated_at_ms=visitor.authenticated_at_ms,
        )
        if not done:
            return self._field(Wrong("unknown"), typed)
        what = found.asking.described()
        event = "device_approved" if decision == "approved" else "device_refused"
        _log.info(event, account=self._names.of("account", visitor.account), device_kind=what.kind)
        return page(
            "activate_done.html",
            site_name=self._site_name,
            is_connected=decision == "approved",
            noun=noun_of(what.kind),
            label=what.label,
            devices_url=DEVICES_URL,
        )

    async def _find(self, request: Request, typed: str) -> Waiting | Wrong:
        return await self._approvals.find(typed, Account(_visitor(request).account), self._address_of(request))

    def _field(self, wrong: Wrong | None = None, typed: str = "") -> Response:
        form = self._approvals.form
        return page(
            "activate.html",
            site_name=self._site_name,
            status=200 if wrong is None else 429 if wrong.reason == "spent" else 400,
            headers={"retry-after": str(wrong.wait_seconds)} if wrong is not None and wrong.wait_seconds else None,
            url=URL,
            form=form,
            example=form.shown(form.alphabet[: form.length]),
            is_digits=form.alphabet.isdigit(),
            error="" if wrong is None else _problem(wrong, form.words),
            typed=typed,
        )

    def _facts(self, asking: Asking, address: str) -> list[Fact]:
        yours = self._places.of(address)
        facts = [
            Fact("Country", asking.country, yours.country or ""),
            Fact("Internet provider", asking.provider, yours.provider or ""),
            Fact("Network", asking.network, prefix_of(address)),
        ]
        return [fact for fact in facts if fact.device or fact.yours]


def _visitor(request: Request) -> Visitor:
    visitor: Visitor = request.scope["latch"]
    return visitor


def _details(what: Description) -> str:
    software = f"{what.client} on {what.os}" if what.client and what.os else what.client or what.os
    return ", ".join(part for part in (what.make, software) if part and part != what.label)


def _warning(facts: list[Fact], noun: str) -> str:
    """What the person should know before deciding; a network tells nothing, for phones have their own."""
    differing = {fact.name: fact for fact in facts if fact.device and fact.yours and fact.device != fact.yours}
    if "Country" in differing:
        fact = differing["Country"]
        return f"This {noun} asks from another country ({fact.device}) than you ({fact.yours})."
    if "Internet provider" in differing:
        return f"This {noun} uses another Internet provider than you. Unless you are on mobile data, it is elsewhere."
    return ""


def _problem(wrong: Wrong, form: str) -> str:
    if wrong.reason == "unreadable":
        return f"A code has {form}. Please look at your TV again."
    if wrong.reason == "spent":
        minutes = count(-(-wrong.wait_seconds // 60), "minute")
        return f"Too many wrong codes. Please wait {minutes}, then try again; nothing is lost."
    return "No device is waiting with this code. It may have expired: ask your TV for a new one."
