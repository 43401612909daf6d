"""Whether a visit meets what its route asks, and the answer if it does not; for forward auth and gate alike."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final

from ..clock import Clock
from ..errors import StoreAway
from ..tokens.codec import Codec
from ..tokens.dpop import Proofs
from ..wire import Head, Header, Reply
from . import answers, return_path
from .check import Accepted, Checker, Denied
from .old_cookie import OldCookie
from .refusal_pages import RefusalPages, came_from
from .requirement import STEP_UPS, Requirement
from .visit import Visit

_AWAY: Final = "store_away"
#: What a script of an allowed origin may read besides status and body.
_EXPOSED: Final = (b"access-control-expose-headers", b"Retry-After, WWW-Authenticate, DPoP-Nonce")
_VARY: Final = (b"vary", b"Origin")


class Judge:
    """Judges visits against what their routes ask, and words the refusals.

    `cors_origins` are the other origins, in lower case, whose scripts may read a refusal (and what the website itself
    lets them read); their preflights, which carry no cookie, pass as nobody's. `old_cookie` is given while visitors
    move in. Without `pages` people get the problems of scripts.
    """

    def __init__(
        self,
        *,
        checker: Checker,
        codec: Codec,
        clock: Clock,
        proofs: Proofs,
        sign_in_url: str,
        cors_origins: Collection[bytes] = (),
        old_cookie: OldCookie | None = None,
        pages: RefusalPages | None = None,
    ) -> None:
        self._pages = pages
        self._checker = checker
        self._codec = codec
        self._clock = clock
        self._proofs = proofs
        self._cors_origins = frozenset(cors_origins)
        self._old_cookie = old_cookie
        self.sign_in_url = sign_in_url

    async def judge(self, visited: Visit, asked: Requirement) -> Accepted | Denied:
        """Accepted if the visitor is signed in and the route asks no more than that; never raises StoreAway."""
        try:
            verdict = await self._checker.check(visited)
        except StoreAway:
            return Denied(_AWAY, clear=False)
        if isinstance(verdict, Denied):
            return verdict
        unmet = asked.unmet_by(verdict)
        return verdict if unmet is None else Denied(unmet, clear=False)

    def lets_pass(self, visited: Visit) -> bool:
        """Whether this is the preflight of an allowed origin: for the website to answer, which knows its methods."""
        return visited.preflight and visited.origin in self._cors_origins

    def bridge(self, head: Head, visited: Visit, verdict: Denied, *, open_to_all: bool = False) -> Reply | None:
        """The way over the bridge for a visitor who has the website's old cookie instead of ours, else None."""
        if self._old_cookie is None or verdict.reason == _AWAY or verdict.reason in STEP_UPS:
            return None
        return self._old_cookie.redirect(head, visited, self._sealed(visited), open_to_all=open_to_all)

    def refusal(self, head: Head, visited: Visit, verdict: Denied, asked: Requirement, *, may_bridge: bool) -> Reply:
        """The answer to a visit that was denied, by the kind of request: people get a page, scripts a problem."""
        if verdict.reason == _AWAY:
            if self._pages is not None and (visited.navigation or visited.form):
                return self._pages.away(head, visited, answers.AWAY)
            return self._readable(visited, answers.AWAY)
        bridge = self.bridge(head, visited, verdict) if may_bridge else None
        if bridge is not None:
            return bridge
        sealed = self._sealed(visited)
        if verdict.reason in STEP_UPS:
            reply = answers.step_up(
                visited,
                verdict.reason,
                max_age_seconds=asked.max_auth_age_seconds,
                sign_in_url=self.sign_in_url,
                sealed_return=sealed,
            )
        elif visited.shown is not None:
            reply = answers.token_refused(visited, verdict, self._proofs.nonce())
        else:
            reply = answers.denied(visited, verdict, sign_in_url=self.sign_in_url, sealed_return=sealed)
        if self._pages is not None and visited.form:
            # Not sent elsewhere: reloading this answer sends what was entered once more.
            back = replace(visited, target=came_from(head, visited))
            way_in = answers.sign_in_at(self.sign_in_url, self._sealed(back), fresh=verdict.reason in STEP_UPS)
            code = verdict.reason if verdict.reason in STEP_UPS else "not_signed_in"
            return self._pages.not_sent(head, visited, reply, code=code, sign_in_url=way_in)
        return self._readable(visited, reply)

    def _sealed(self, visited: Visit) -> str:
        return return_path.seal(self._codec, visited.target, now_ms=self._clock.wall_ms())

    def _readable(self, visited: Visit, reply: Reply) -> Reply:
        """`reply` with what lets a script of an allowed origin read it (Fetch Standard, CORS protocol)."""
        if not self._cors_origins or visited.navigation:
            return reply
        cors: list[Header] = [_VARY]
        if visited.origin in self._cors_origins:
            cors += [
                (b"access-control-allow-origin", visited.origin),
                (b"access-control-allow-credentials", b"true"),
                _EXPOSED,
            ]
        kept = (header for header in reply.headers if header[0] != b"content-length")
        return Reply(reply.status, (*kept, *cors), reply.body)
