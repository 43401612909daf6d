"""The page for a sign-in that is one device too many: which one does its person give up?

    GET   /latch/make-room   the account's devices, each with a box
    POST  /latch/make-room   fields `give_up_<id>`; signs them out everywhere and this browser in, or 400 with the list

The password was checked a moment ago, by the website; the cookie of waiting.py says so. Plain forms, no script.
"""

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..clock import Clock
from ..devices.card import cards
from ..devices.limit import BAD_CHOICE, FIELD, DeviceLimit, Full, chosen_in
from ..devices.place import Places
from ..errors import BadRequest, Conflict, EdgeError, StoreAway
from ..fingerprint.signals import Observed
from ..hot_route import head_of
from ..ids import Account
from ..pages.forms import form_fields
from ..pages.render import Pages, Reader
from ..recognition.hints import read_hints
from ..tokens.codec import Codec
from ..tokens.purposes import WaitingSignIn
from ..wire import Head
from . import return_path, waiting
from .page import ARRIVED_URL
from .room import begin
from .sign_in import SignIn
from .start import Starter

#: Too late for this sign-in, as start.lua or the cookie says.
_TOO_LATE: Final = frozenset({"authenticated_at_stale", "sign_in_not_waiting"})


class RoomPage:
    """Holds the collaborators."""

    def __init__(
        self,
        *,
        starter: Starter,
        limit: DeviceLimit,
        codec: Codec,
        clock: Clock,
        places: Places,
        address_of: Callable[[Head], str],
        pages: Pages,
        sign_in_url: str,
    ) -> None:
        self._starter = starter
        self._limit = limit
        self._codec = codec
        self._clock = clock
        self._address_of = address_of
        self._places = places
        self._pages = pages
        self._sign_in_url = sign_in_url

    def routes(self) -> list[Route]:
        """The routes, reached through the proxy without forward auth: nobody is signed in yet."""
        return [
            Route(waiting.ROOM_URL, self.ask, methods=["GET"]),
            Route(waiting.ROOM_URL, self.choose, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        """The list, or the way to sign in for who brings no sign-in that waits."""
        reader = self._pages.reader(request)
        try:
            sign_in = self._waiting(request)
            return self._list(reader, await self._limit.full(sign_in.account))
        except EdgeError as error:
            return self._failed(reader, error)

    async def choose(self, request: Request) -> Response:
        """Give up what was chosen, sign in, and say what is certain."""
        reader = self._pages.reader(request)
        try:
            sign_in = self._waiting(request)
            chosen = chosen_in(await form_fields(request))
            try:
                started, gave_up = await begin(
                    self._starter, self._limit, self._signing_in(sign_in, head_of(request.scope)), chosen
                )
            except BadRequest as error:
                if error.code != BAD_CHOICE:
                    raise
                return self._list(reader, await self._limit.full(sign_in.account), chosen)
        except EdgeError as error:
            return self._failed(reader, error)
        if isinstance(started, Full):
            return self._list(reader, started, chosen)
        sealed = return_path.seal(self._codec, sign_in.target, now_ms=self._clock.wall_ms())
        answer = reader.page(
            "made_room.html",
            told=None if gave_up is None else gave_up.full.tell(gave_up.receipt, chosen, reader.language),
            continue_url=f"{ARRIVED_URL}?to={sealed}",
        )
        for line in (*started.set_cookie, waiting.CLEARED):
            answer.headers.append("set-cookie", line)
        return answer

    def _waiting(self, request: Request) -> WaitingSignIn:
        sign_in = waiting.read(self._codec, list(request.scope["headers"]), now_ms=self._clock.wall_ms())
        if sign_in is None:
            raise BadRequest("sign_in_not_waiting", "no sign-in waits in this browser, or it has waited too long")
        return sign_in

    def _signing_in(self, sign_in: WaitingSignIn, head: Head) -> SignIn:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        return SignIn(
            account=Account(sign_in.account),
            remember=sign_in.remember,
            authenticated_at_ms=sign_in.authenticated_at_ms,
            method=sign_in.method,
            cookie=headers.get("cookie", ""),
            user_agent=headers.get("user-agent", ""),
            address=self._address_of(head),
            hints=read_hints(headers),
            observed=Observed(language=headers.get("accept-language", "").replace(" ", "").lower()),
        )

    def _list(self, reader: Reader, full: Full | None, chosen: Sequence[str] | None = None) -> Response:
        """The list; once more, with what was `chosen`, if that was too little."""
        rows = full.devices if full is not None else ()
        _, listed = cards(rows, reader.language, self._places, now_ms=self._clock.wall_ms(), zone=UTC)
        return reader.page(
            "make_room.html",
            status=200 if chosen is None else 400,
            url=waiting.ROOM_URL,
            field=FIELD,
            cards=listed,
            most=full.most if full is not None else 0,
            surplus=full.surplus if full is not None else 0,
            chosen=chosen or (),
            wrong=chosen is not None,
        )

    def _failed(self, reader: Reader, error: EdgeError) -> Response:
        language, url = reader.language, waiting.ROOM_URL
        if isinstance(error, StoreAway):
            remedy = language.gettext("Nothing is lost. Please try again in a few seconds.")
            words = language.gettext("Try again")
        elif isinstance(error, Conflict) or error.code in _TOO_LATE:
            remedy = language.gettext("It took too long, or something has changed. Please sign in again.")
            words, url = language.gettext("Sign in"), self._sign_in_url
        else:
            remedy, words = language.gettext("Please go back and choose again."), language.gettext("Back to the list")
        return reader.error_page(error, what_to_do=remedy, back_url=url, back_words=words)
