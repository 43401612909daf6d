"""The manage-devices page: what is signed in with this account, under which name, and how to sign it out.

    GET   /latch/devices                   the list: this device first, the others by last use
    POST  /latch/devices/{id}/rename       field `name`; 303 back to the list, or 400 with the error at its field
    GET   /latch/devices/{id}/remove       asks once more
    POST  /latch/devices/{id}/remove       removes; the answer is the receipt in words (202 while it is partial)
    GET   /latch/devices/remove-others     asks once more
    POST  /latch/devices/remove-others     removes everything but this device

Plain forms, no script. Posts from other sites are refused by the cross-origin check around the whole app, and by
`SameSite=Lax` on the cookie. The receipt is the answer to the post itself and not to a redirect behind it: who removes
the device in use has no session left with which to fetch another page, and no cookie of ours: it may be sold. Where the
operator wants the password for it, who is merely remembered is sent to sign in first.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final, TypeAlias

from markupsafe import Markup
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..clock import Clock
from ..errors import BadRequest, EdgeError, NotFound, StoreAway
from ..ids import is_id
from ..pages.forms import form_fields
from ..pages.language import Language
from ..pages.render import Pages, Reader
from ..pages.visitor import visitor_of
from ..pages.words import listing, spoken_days
from .card import REUSE_TOLD_DAYS, Card, cards, name_problem
from .for_page import DevicesForPage
from .place import Places
from .receipt_page import receipt_page
from .registry import MAX_LISTED, MAX_NAME_CHARS
from .spoken import this_device_first

BASE_URL: Final = "/latch/devices"
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
SIGN_OUT_URL: Final = "/latch/sign-out"
_LINK: Final = Markup('<a href="#d-{}"><bdi>{}</bdi></a>')


@dataclass(frozen=True, slots=True)
class RenameError:
    """Why a name was not taken: shown at the field of `device`, with what was typed."""

    device: str
    value: str
    message: str


def routes(
    *,
    devices: DevicesForPage,
    places: Places,
    gate: Callable[[ASGIApp], ASGIApp],
    fresh_gate: Callable[[ASGIApp], ASGIApp] | None = None,
    forget_browser: Callable[[Response], None],
    pages: Pages,
    clock: Clock,
    zone: tzinfo = UTC,
) -> list[Route]:
    """The page's routes; `gate` puts a `Visitor` into `scope["latch"]` or sends the browser to the sign-in page.

    `fresh_gate` does the same and lets nobody pass who has not given the password in this session; without it, removing
    asks no more than being signed in. `forget_browser` makes an answer take our cookies from the browser.
    """
    endpoints = DevicesPage(
        devices, places, forget_browser, pages, clock=clock, zone=zone, wants_fresh=fresh_gate is not None
    )

    def route(path: str, endpoint: Endpoint, method: str, *, asks: bool = False) -> Route:
        before = fresh_gate if asks and fresh_gate is not None else gate
        return Route(BASE_URL + path, endpoints.answering(endpoint), methods=[method], middleware=[Middleware(before)])

    return [
        route("", endpoints.show, "GET"),
        route("/remove-others", endpoints.ask_remove_others, "GET", asks=True),
        route("/remove-others", endpoints.remove_others, "POST"),
        route("/{device}/rename", endpoints.rename, "POST"),
        route("/{device}/remove", endpoints.ask_remove, "GET", asks=True),
        route("/{device}/remove", endpoints.remove, "POST"),
    ]


class DevicesPage:
    """The endpoints; one request at a time goes through, so nothing is kept between them."""

    def __init__(
        self,
        devices: DevicesForPage,
        places: Places,
        forget_browser: Callable[[Response], None],
        pages: Pages,
        *,
        clock: Clock,
        zone: tzinfo,
        wants_fresh: bool,
    ) -> None:
        self._devices = devices
        self._places = places
        self._forget_browser = forget_browser
        self._wants_fresh = wants_fresh
        self._pages = pages
        self._clock = clock
        self._zone = zone

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
                    back_url=BASE_URL,
                    back_words=reader.language.gettext("Back to your devices"),
                )

        return answer

    async def show(self, request: Request) -> Response:
        """The list; `?renamed=<id>` confirms a rename."""
        return await self._list(request, renamed_id=request.query_params.get("renamed", ""))

    async def rename(self, request: Request) -> Response:
        """Rename and go back to the list, so that a reload posts nothing again."""
        device_id = request.path_params["device"]
        typed = (await form_fields(request)).get("name", "")
        try:
            await self._devices.rename(visitor_of(request).account, device_id, typed)
        except BadRequest as error:
            wrong = RenameError(device_id, typed, name_problem(typed, self._pages.reader(request).language))
            return await self._list(request, rename_error=wrong, status=error.status)
        return RedirectResponse(f"{BASE_URL}?renamed={device_id}#d-{device_id}", 303)

    async def ask_remove(self, request: Request) -> Response:
        """Ask once more before one device is signed out."""
        reader = self._pages.reader(request)
        this, others, _ = await self._cards(request, reader.language)
        chosen = self._chosen(request, this, others)
        language, what = reader.language, chosen.this
        heading = language.gettext("Sign out %(device)s?", device=what)
        button = language.gettext("Sign out %(device)s", device=what)
        if chosen.is_this:
            heading = language.gettext("Sign out and deactivate %(device)s?", device=what)
            button = language.gettext("Sign out and deactivate %(device)s", device=what)
        return _confirm(
            reader,
            [chosen],
            heading=heading,
            button=button,
            action=f"{BASE_URL}/{chosen.id}/remove",
            this=this,
        )

    async def remove(self, request: Request) -> Response:
        """Sign one device out and show the receipt."""
        reader = self._pages.reader(request)
        this, others, _ = await self._cards(request, reader.language)
        chosen = self._chosen(request, this, others)
        return self._back_to_the_password(request) or await self._remove(request, reader, [chosen])

    async def ask_remove_others(self, request: Request) -> Response:
        """Ask once more before all others are signed out; nothing to ask if there are none."""
        reader = self._pages.reader(request)
        this, others, _ = await self._cards(request, reader.language)
        if not others:
            return RedirectResponse(BASE_URL, 303)
        return _confirm(
            reader,
            others,
            heading=reader.language.ngettext(
                "Sign out %(num)s other device?", "Sign out %(num)s other devices?", len(others)
            ),
            button=reader.language.ngettext(
                "Sign out %(num)s other device", "Sign out %(num)s other devices", len(others)
            ),
            action=f"{BASE_URL}/remove-others",
            this=this,
        )

    async def remove_others(self, request: Request) -> Response:
        """Sign out everything but this device and show the receipt."""
        reader = self._pages.reader(request)
        _, others, _following = await self._cards(request, reader.language)
        if not others:
            return RedirectResponse(BASE_URL, 303)
        back = self._back_to_the_password(request)
        if back is not None:
            return back
        here = visitor_of(request)
        ids = [one for one in await self._devices.ids(here.account) if one != here.device]
        return await self._remove(request, reader, others, ids)

    def _back_to_the_password(self, request: Request) -> Response | None:
        """Who is merely remembered goes to the question before this post, whose gate sends him to sign in."""
        if not self._wants_fresh or visitor_of(request).level == "fresh":
            return None
        return RedirectResponse(request.url.path, 303)

    async def _cards(self, request: Request, language: Language) -> tuple[Card | None, list[Card], str]:
        """The device in use, the others of this page, and the place behind which the next page begins, if any."""
        visitor = visitor_of(request)
        rows = [*await self._devices.list(visitor.account, after=request.query_params.get("after", ""))]
        following = rows[-1].position if len(rows) >= MAX_LISTED else ""
        # The one in use is shown on each page, and one that is asked about may be on any.
        for wanted in {visitor.device, request.path_params.get("device", "")} - {row.id for row in rows}:
            found = await self._devices.find(visitor.account, wanted) if is_id(wanted) else None
            rows += [found] if found is not None else []
        now_ms = self._clock.wall_ms()
        here = visitor.device
        return *cards(rows, language, self._places, device_in_use=here, now_ms=now_ms, zone=self._zone), following

    def _chosen(self, request: Request, this: Card | None, others: list[Card]) -> Card:
        wanted = request.path_params["device"]
        for one in [*others, *([this] if this else [])]:
            if one.id == wanted:
                return one
        raise NotFound("no_such_device", "this device is not on the account's list")

    async def _list(
        self, request: Request, *, renamed_id: str = "", rename_error: RenameError | None = None, status: int = 200
    ) -> Response:
        reader = self._pages.reader(request)
        this, others, following = await self._cards(request, reader.language)
        listed = [*([this] if this else []), *others]
        if rename_error is not None and all(one.id != rename_error.device for one in listed):
            raise NotFound("no_such_device", "this device is not on the account's list")
        reused = [one for one in listed if one.reuse]
        return reader.page(
            "devices.html",
            status=status,
            base_url=BASE_URL,
            sign_out_url=SIGN_OUT_URL,
            this=this,
            others=others,
            listed_by_id={one.id: one for one in listed},
            reused=reused,
            reused_links=listing([_LINK.format(one.id, one.name) for one in reused], reader.language),
            reuse_told=spoken_days(REUSE_TOLD_DAYS, reader.language),
            older_url=f"{BASE_URL}?after={following}" if following else None,
            renamed=next((one.name for one in listed if one.id == renamed_id), None),
            rename_error=rename_error,
            max_name_chars=MAX_NAME_CHARS,
            zone_name=str(self._zone),
        )

    async def _remove(
        self, request: Request, reader: Reader, chosen: list[Card], ids: list[str] | None = None
    ) -> Response:
        is_here = any(one.is_this for one in chosen)
        receipt = await self._devices.remove(
            visitor_of(request).account,
            ids or [one.id for one in chosen],
            reason="deactivated_on_device" if is_here else "removed_by_owner",
        )
        answer = receipt_page(
            receipt,
            [one.name for one in chosen],
            reader,
            zone=self._zone,
            base_url=BASE_URL,
            signed_out_here=is_here,
        )
        if is_here:
            self._forget_browser(answer)
        return answer


def _confirm(
    reader: Reader, chosen: list[Card], *, heading: str, button: str, action: str, this: Card | None
) -> Response:
    return reader.page(
        "confirm_remove.html",
        base_url=BASE_URL,
        cards=chosen,
        heading=heading,
        button=button,
        action=action,
        stays=this.this_first if this else this_device_first("", reader.language),
    )


def _remedy(error: EdgeError, language: Language) -> str:
    """What the visitor can do about `error`."""
    if isinstance(error, StoreAway):
        return language.gettext("Nothing is lost and you are still signed in. Please try again in a few seconds.")
    if isinstance(error, NotFound):
        return language.gettext("This device is not on your list any more. It may have been signed out already.")
    return language.gettext("Please go back and try again.")
