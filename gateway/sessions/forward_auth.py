"""Forward auth, the long way: whatever the hot handler could not settle at once.

`/verify` protects a page, `/verify/fresh` one that wants the password again, `/verify/optional` one that merely likes
to know, and `/verify/background` a poll that must not keep a session from idling. Which one applies is the proxy's
configuration and never a request header's or query's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from latchstring_middleware.forwarded import TrustedProxies

from ..clock import Clock
from ..errors import StoreAway
from ..tokens.codec import Codec
from ..wire import Head, Reply
from . import answers, return_path, visit
from .check import Accepted, Checker
from .leases import NOBODY
from .old_cookie import OldCookie

Manner: TypeAlias = Literal["required", "fresh", "optional", "background"]

PATHS: Final[dict[str, Manner]] = {
    "/verify": "required",
    "/verify/fresh": "fresh",
    "/verify/optional": "optional",
    "/verify/background": "background",
}


@dataclass(frozen=True, slots=True)
class ForwardAuth:
    """Judges forward-auth requests and words the answers. `old_cookie` is given while visitors move in."""

    checker: Checker
    codec: Codec
    clock: Clock
    trusted: TrustedProxies
    sign_in_url: str
    count: Callable[[str], None]
    old_cookie: OldCookie | None = None

    async def answer(self, head: Head, manner: Manner) -> Reply:
        """200 with every identity header, 303, 401 or 503; at most one Set-Cookie.

        "optional" is always 200, but for a page that a visitor with the website's old cookie asks for (303).
        Raises ForwardedError (400) if a trusted proxy describes a request no browser sends.
        """
        original = self.trusted.original_request(head.peer, head.headers)
        visited = visit.read(head, original, arrived_ns=self.clock.boot_ns(), background=manner == "background")
        signing_in = visited.target.partition("?")[0] == self.sign_in_url.partition("?")[0]
        if signing_in:
            # The website's answer there may carry the cookie of a new session; the former one's must not follow it.
            visited = replace(visited, carry="none")
        try:
            verdict = await self.checker.check(visited)
        except StoreAway:
            self.count("store_away")
            # What everybody may see does not go down with the store.
            return NOBODY if manner == "optional" else answers.AWAY
        if isinstance(verdict, Accepted):
            if manner == "fresh" and verdict.level != "fresh":
                self.count("fresh_required")
                return answers.fresh_required(
                    visited, sign_in_url=self.sign_in_url, sealed_return=self._sealed(visited)
                )
            self.count("accepted")
            return _accepted(verdict)
        self.count(verdict.reason)
        if self.old_cookie is not None and not signing_in:
            bridge = self.old_cookie.redirect(head, visited, self._sealed(visited), open_to_all=manner == "optional")
            if bridge is not None:
                return bridge
        if manner == "optional":
            return NOBODY
        return answers.denied(visited, verdict, sign_in_url=self.sign_in_url, sealed_return=self._sealed(visited))

    def _sealed(self, visited: visit.Visit) -> str:
        return return_path.seal(self.codec, visited.target, now_ms=self.clock.wall_ms())


def _accepted(verdict: Accepted) -> Reply:
    fresh = verdict.level == "fresh"
    if verdict.set_cookie is None:
        return verdict.lease.reply(fresh)
    return Reply(
        200,
        (
            *verdict.lease.identity(fresh=fresh),
            (b"cache-control", b"no-store"),
            (b"set-cookie", verdict.set_cookie.encode()),
        ),
    )
