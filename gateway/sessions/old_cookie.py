"""The website's former session cookie while visitors move in: who brings it instead of ours is sent to the bridge.

    GET /verify, a navigation, no cookie of ours but the old one
    303 /latch/bridge?to=<sealed target>          &open=1 where everybody may see the page

Only navigations are sent: everything else gets its 401 as ever, and the next page brings it in. A browser that the
website did not vouch for carries a mark for some minutes and is left alone meanwhile.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from latchstring_middleware.cookies import foreign_cookie, named_cookies, set_cookie

from ..wire import Head, Header, Reply
from .visit import Visit

BRIDGE_URL: Final = "/latch/bridge"
_MARK: Final = "__Host-unbridged"
_MARK_NAMES: Final = frozenset((_MARK.encode(),))


@dataclass(frozen=True, slots=True)
class OldCookie:
    """Finds the cookie called `name`."""

    name: bytes

    def find(self, headers: list[Header]) -> bytes | None:
        """Its value byte for byte; None if it is absent, was sent twice, or is no visible ASCII."""
        return foreign_cookie(headers, self.name)

    def redirect(self, head: Head, visit: Visit, sealed: str, *, open_to_all: bool) -> Reply | None:
        """The way over the bridge for a visitor who may take it, else None."""
        if visit.token is not None or not visit.navigation or self.find(head.headers) is None:
            return None
        if named_cookies(head.headers, _MARK_NAMES):
            return None
        location = f"{BRIDGE_URL}?to={quote(sealed)}{'&open=1' if open_to_all else ''}"
        return Reply(303, ((b"location", location.encode()), (b"cache-control", b"no-store")))


def mark(seconds: int) -> str:
    """The Set-Cookie value that keeps a browser from the bridge for a while."""
    return set_cookie(_MARK, "1", max_age_seconds=seconds)
