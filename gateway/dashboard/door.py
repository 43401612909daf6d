"""Who may see the dashboard: whoever has a service key. It is shown once, in a form, and never kept in the browser.

    __Host-dashboard   a signed token that names the key; good for 12 hours, and no longer than the key

Each page asks the store whether the key is still there, so `latchstring service-keys revoke` signs everybody out who
came in with it, at once.
"""

from typing import Final, Protocol

from starlette.requests import Request

from latchstring_middleware.cookies import clear_cookie, named_cookies, set_cookie

from ..clock import Clock
from ..errors import NotSignedIn
from ..ids import to_bytes, to_text
from ..tokens.codec import Codec, Refused
from ..tokens.purposes import DashboardVisit

COOKIE: Final = "__Host-dashboard"
VISIT_SECONDS: Final = 12 * 3_600
CLEARED: Final = clear_cookie(COOKIE)

_NAMES: Final = frozenset({COOKIE.encode()})


class KeysForDoor(Protocol):
    """What the door asks of `ServiceKeys`."""

    async def check(self, authorization: str, *, for_reports: bool = False) -> str: ...  # noqa: D102 - see there

    async def has(self, key_id: str) -> bool: ...  # noqa: D102 - see there


class Door:
    """Lets in whoever shows a service key, and knows them again."""

    def __init__(self, service_keys: KeysForDoor, codec: Codec, clock: Clock) -> None:
        self._service_keys = service_keys
        self._codec = codec
        self._clock = clock

    async def let_in(self, credential: str) -> str:
        """The Set-Cookie line for whoever has this credential. Raises NotSignedIn, StoreAway."""
        key_id = await self._service_keys.check(f"Bearer {credential}", for_reports=True)
        visit = DashboardVisit(to_bytes(key_id), self._clock.wall_ms())
        return set_cookie(COOKIE, self._codec.seal(visit).decode(), max_age_seconds=VISIT_SECONDS)

    async def check(self, request: Request) -> None:
        """Pass who was let in and whose key still is one. Raises NotSignedIn, StoreAway."""
        token = named_cookies(list(request.scope["headers"]), _NAMES).get(COOKIE.encode())
        opened = self._codec.open(token, DashboardVisit) if token is not None else None
        if opened is None or isinstance(opened, Refused) or not self._is_fresh(opened):
            raise NotSignedIn("dashboard_not_signed_in", "sign in to the dashboard with a service key")
        if not await self._service_keys.has(to_text(opened.key)):
            raise NotSignedIn("dashboard_key_revoked", "the service key you came in with was revoked")

    def _is_fresh(self, visit: DashboardVisit) -> bool:
        return 0 <= self._clock.wall_ms() - visit.issued_at_ms < VISIT_SECONDS * 1_000
