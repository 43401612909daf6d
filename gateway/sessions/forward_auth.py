"""Forward auth, the long way: whatever the hot handler could not settle at once.

`/verify` protects a page, `/verify/fresh` one that wants the password again, `/verify/optional` one that merely likes
to know, and `/verify/background` a poll that must not keep a session from idling. Which one applies is the proxy's
configuration, which may ask for more in X-Latch-Require (requirement.py); never the query.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from latchstring_middleware.forwarded import TrustedProxies

from .. import logs
from ..clock import Clock
from ..wire import Head, Reply
from . import answers, visit
from .check import Accepted
from .judge import Judge
from .leases import COUNTRY, nobody
from .requirement import BadRequirement, required_by

Manner: TypeAlias = Literal["required", "fresh", "optional", "background"]

PATHS: Final[dict[str, Manner]] = {
    "/verify": "required",
    "/verify/fresh": "fresh",
    "/verify/optional": "optional",
    "/verify/background": "background",
}


_log = logs.get("sessions")


@dataclass(frozen=True, slots=True)
class ForwardAuth:
    """Answers forward-auth requests; `count` is told the outcome of each, `country_of` tells the client's country."""

    judge: Judge
    clock: Clock
    trusted: TrustedProxies
    count: Callable[[str], None]
    country_of: Callable[[Head], bytes]

    async def answer(self, head: Head, manner: Manner) -> Reply:
        """200 with every identity header, 303, 400, 401 or 503; at most one Set-Cookie.

        "optional" is always 200, but for a requirement that cannot be read (400) and for a page that a visitor with the
        website's old cookie asks for (303). The preflight of an allowed origin is always 200. Raises ForwardedError
        (400) if a trusted proxy describes a request no browser sends.
        """
        original = self.trusted.original_request(head.peer, head.headers)
        try:
            asked = required_by(head.headers, fresh=manner == "fresh", background=manner == "background")
        except BadRequirement as problem:
            _log.error("bad_requirement", problem=str(problem))
            self.count("bad_requirement")
            return answers.bad_requirement(problem)
        visited = visit.read(
            head, original, arrived_ns=self.clock.boot_ns(), background=asked.background, takes_bearer=True
        )
        signing_in = visited.target.partition("?")[0] == self.judge.sign_in_url.partition("?")[0]
        if signing_in:
            # The website's answer there may carry the cookie of a new session; the former one's must not follow it.
            visited = replace(visited, carry="none")
        if self.judge.lets_pass(visited):
            self.count("preflight")
            return nobody(self.country_of(head))
        verdict = await self.judge.judge(visited, asked)
        if isinstance(verdict, Accepted):
            self.count("accepted")
            return _accepted(verdict, self.country_of(head))
        self.count(verdict.reason)
        if manner == "optional":
            # What everybody may see does not go down with the store.
            bridge = None if signing_in else self.judge.bridge(head, visited, verdict, open_to_all=True)
            return bridge or nobody(self.country_of(head))
        return self.judge.refusal(head, visited, verdict, asked, may_bridge=not signing_in)


def _accepted(verdict: Accepted, country: bytes) -> Reply:
    fresh = verdict.level == "fresh"
    if verdict.set_cookie is None:
        return verdict.lease.reply(fresh, country)
    return Reply(
        200,
        (
            *verdict.lease.identity(fresh=fresh),
            (COUNTRY, country),
            (b"cache-control", b"no-store"),
            (b"set-cookie", verdict.set_cookie.encode()),
        ),
    )
