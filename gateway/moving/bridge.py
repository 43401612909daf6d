"""The bridge: a visitor with the website's old session cookie gets ours, once, without signing in again.

    GET /latch/bridge?to=<sealed>[&open=1]

The website is asked whom the cookie stands for, and a session begins under an id made of the website's own name for
it: so an old cookie is good once, and once more to a browser that did not get the answer (start.lua). Then on to
/latch/arrived, which finds out whether the browser kept our cookies. The old cookie is left as it is: it is the way
back. `open` says that everybody may see the page: then trouble keeps nobody from it.
"""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from .. import logs, metrics
from ..clock import Clock
from ..errors import Conflict, EdgeError, NotSignedIn, WebsiteAway
from ..hot_route import head_of
from ..ids import Account
from ..pages.language import gettext_noop
from ..pages.render import Pages
from ..sessions import return_path, visit
from ..sessions.old_cookie import BRIDGE_URL, OldCookie, mark
from ..sessions.page import ARRIVED_URL
from ..sessions.sign_in import OldSession, SignIn, Started
from ..sessions.start import Starter
from ..store.client import Store
from ..tokens.codec import Codec
from ..wire import Head
from .references import OWN, References, references
from .vouching import Bearer, Vouched, Vouching

#: How long a browser is left alone that the website did not vouch for, and one that met trouble.
_REFUSED_SECONDS: Final = 600
_TROUBLE_SECONDS: Final = 30
_TROUBLE: Final = gettext_noop(
    "We could not find out just now whether you are signed in. You have not been signed out: try again."
)

_log = logs.get("moving")


class Bridge:
    """Holds the collaborators. `address_of` gives the browser's own address."""

    def __init__(
        self,
        *,
        old_cookie: OldCookie,
        vouching: Vouching,
        starter: Starter,
        store: Store,
        codec: Codec,
        clock: Clock,
        pages: Pages,
        address_of: Callable[[Head], str],
    ) -> None:
        self._old_cookie = old_cookie
        self._vouching = vouching
        self._starter = starter
        self._store = store
        self._codec = codec
        self._clock = clock
        self._pages = pages
        self._address_of = address_of
        self._references: References | None = None

    def routes(self) -> list[Route]:
        """The one route, reached through the proxy without forward auth."""
        return [Route(BRIDGE_URL, self.cross, methods=["GET"])]

    async def close(self) -> None:
        """Let go of the connections to the website."""
        await self._vouching.close()

    async def cross(self, request: Request) -> Response:
        """303 with our three cookies; 303 back where the website vouches for nobody; 503 where it cannot be asked."""
        head = head_of(request.scope)
        visited = visit.read(head, None, arrived_ns=self._clock.boot_ns())
        if not visited.navigation:
            raise NotSignedIn("not_a_navigation", "only pages that a person opens lead over the bridge")
        sealed = request.query_params.get("to", "")
        target = return_path.open_target(self._codec, sealed, now_ms=self._clock.wall_ms())
        if visited.token is not None:
            # Another tab was faster. If the cookie is no good after all, the check of the page says so.
            return _redirect(target)
        cookie = self._old_cookie.find(head.headers)
        if cookie is None:
            return self._refused(target, "no_old_cookie")
        try:
            started = await self._begin(head, cookie)
        except Conflict as refusal:
            return self._refused(target, refusal.code)
        except EdgeError as trouble:
            _count(trouble.code)
            if request.query_params.get("open"):
                return _redirect(target, mark(_TROUBLE_SECONDS))
            reader = self._pages.reader(request)
            return reader.error_page(
                trouble,
                what_to_do=reader.language.gettext(_TROUBLE),
                back_url=f"{BRIDGE_URL}?to={return_path.seal(self._codec, target, now_ms=self._clock.wall_ms())}",
                back_words=reader.language.gettext("Try again"),
            )
        if started is None:
            return self._refused(target, "nobody")
        _count("moved_in")
        _log.info("moved_in", device_kind=started.device_kind, device_is_new=started.device_is_new)
        sealed = return_path.seal(self._codec, target, now_ms=self._clock.wall_ms())
        return _redirect(f"{ARRIVED_URL}?to={sealed}", *started.set_cookie)

    async def _begin(self, head: Head, cookie: bytes) -> Started | None:
        headers = dict(head.headers)
        agent, address = headers.get(b"user-agent", b"").decode("latin-1"), self._address_of(head)
        if cookie.startswith(OWN.encode()):
            # Ids of ours are for the website to name, not for a browser.
            return None
        vouched = await self._vouching.ask(Bearer(cookie, agent, address))
        if vouched is None:
            return None
        try:
            old = await self._old_session(vouched, cookie)
        except ValueError as wrong:
            raise WebsiteAway(f"the website named a session or device badly: {wrong}") from None
        return await self._starter.start(
            SignIn(
                account=Account(vouched.account),
                remember=vouched.remember,
                authenticated_at_ms=vouched.authenticated_at_ms,
                method=vouched.method,
                cookie=headers.get(b"cookie", b"").decode("latin-1"),
                user_agent=agent,
                address=address,
                old=old,
            )
        )

    async def _old_session(self, vouched: Vouched, cookie: bytes) -> OldSession:
        if self._references is None:
            self._references = await references(self._store)
        session = self._references.id_of("session", vouched.account, vouched.session or cookie.decode("ascii"))
        device = self._references.id_of("device", vouched.account, vouched.device) if vouched.device else ""
        return OldSession(session, device)

    def _refused(self, target: str, code: str) -> Response:
        _count(code)
        # Back to the page, whose own check sends to the sign-in page whoever has to be signed in there.
        return _redirect(target, mark(_REFUSED_SECONDS))


def _count(outcome: str) -> None:
    metrics.BRIDGE.labels(outcome).inc()


def _redirect(location: str, *set_cookie: str) -> Response:
    answer = RedirectResponse(location, 303, {"cache-control": "no-store"})
    for line in set_cookie:
        answer.headers.append("set-cookie", line)
    return answer
