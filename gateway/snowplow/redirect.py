"""`/r/tp2?u=…`: a click that is counted, then sent on; only to origins that are allowed, or where a seal says so.

/r/tp2?u=https%3A%2F%2Fwww.example.com%2Fsale                             allowed by LATCHSTRING_LINK_ORIGINS
/r/tp2?u=https%3A%2F%2Fpartner.example%2F&seal=k3Vx9q.Zt0YpQ1c3aUeB4mN8rS2wA   sealed by `latchstring redirect`
"""

from collections.abc import Collection
from typing import Final
from urllib.parse import quote

from ..beacons.batch import allowed_origin
from ..link_target import origin_of
from ..shipping.page_address import CONTROL
from ..shipping.query import parameters
from ..shipping.snowplow import REDIRECT_PATH, SEAL
from ..tokens.keyring import KeyRing
from ..tokens.seals import Seals
from ..wire import Head, Recorded, Reply
from .collector import Collector, lines_for

PURPOSE: Final = b"snowplow redirect"
PATH: Final = REDIRECT_PATH.decode() + "tp2"

_VISIBLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_MAX_CHARS: Final = 4_096


class Redirects:
    """Where `u` may lead: to `allowed` origins ("https://www.example.com"), or where the operator's seal fits it."""

    def __init__(self, ring: KeyRing, allowed: Collection[str]) -> None:
        self._seals = Seals(ring, PURPOSE)
        self._allowed = frozenset(allowed)

    def target_of(self, query: bytes) -> bytes | None:
        """The Location that a query asks for; None if it is no http(s) URL, or leads where nobody has allowed."""
        said = parameters(query)
        location = _location(said.get("u", ""))
        origin = origin_of(location)
        if origin is None:
            return None
        if origin not in self._allowed and not self._seals.fits(said["u"].encode(), said.get(SEAL, "").encode()):
            return None
        return location.encode("ascii")

    def sealed(self, target: str) -> str:
        """Path and query of a redirect to a target that need not be allowed. Raises ValueError if it is no such URL."""
        if origin_of(_location(target)) is None:
            raise ValueError("expected an http(s) URL without user, backslash and control characters")
        seal = self._seals.of(target.encode()).decode()
        return f"{PATH}?u={quote(target, safe='')}&{SEAL}={seal}"

    def answer(self, collector: Collector, head: Head) -> Recorded | Reply:
        """The hit, kept in either case, and 302 to its target, or 400; unless it is one too many."""
        refused = collector.refused(head)
        if refused is not None:
            return refused
        payload, set_cookie = collector.keep(head, len(head.body))
        target = self.target_of(head.target.partition(b"?")[2])
        lines = lines_for(allowed_origin(head.headers), set_cookie)
        reply = Reply(400, lines) if target is None else Reply(302, (*lines, (b"location", target)))
        return Recorded(payload, reply)


def _location(said: str) -> str:
    """The target as a Location may say it: beyond ASCII and space percent-encoded, all else as it is; empty if none."""
    if len(said) > _MAX_CHARS or CONTROL.search(said):
        return ""
    return quote(said, safe=_VISIBLE)
