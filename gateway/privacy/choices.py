"""The choices cookie, and the visitor cookie that goes with consent: read from a request, set by a choice.

Both live 13 months and are renewed by a new choice alone, never by a visit. Who refuses analytics loses the visitor
cookie with the same answer.
"""

import secrets
from typing import Final, NamedTuple

from latchstring_middleware.cookies import clear_cookie, named_cookies, set_cookie

from ..beacons.payload import CHOICES_COOKIE, VISITOR_COOKIE
from ..clock import Clock
from ..ids import ID_BYTES
from ..tokens.codec import Codec, Refused
from ..tokens.purposes import Choices, VisitorToken
from ..wire import Headers

#: 13 months of 30.4 days.
MAX_AGE_SECONDS: Final = 395 * 86_400

_VISITOR, _CHOICES = VISITOR_COOKIE.encode(), CHOICES_COOKIE.encode()


class Known(NamedTuple):
    """What a browser's cookies say; None for what is absent or none of ours."""

    choices: Choices | None
    visitor: VisitorToken | None


class ChoiceCookies:
    """Reads and sets both cookies; choices are made under `policy_version` of the privacy policy."""

    def __init__(self, codec: Codec, clock: Clock, policy_version: str) -> None:
        self._codec = codec
        self._clock = clock
        self.policy_version = policy_version

    def read(self, headers: Headers) -> Known:
        """What the browser has brought; header names in lower case."""
        sent = named_cookies(headers, frozenset({_VISITOR, _CHOICES}))
        choices = self._codec.open(sent.get(_CHOICES, b""), Choices)
        visitor = self._codec.open(sent.get(_VISITOR, b""), VisitorToken)
        return Known(
            None if isinstance(choices, Refused) else choices, None if isinstance(visitor, Refused) else visitor
        )

    def choose(self, headers: Headers, *, analytics: bool, sharing: bool) -> list[str]:
        """The Set-Cookie lines of a choice; who was a visitor before and agrees again stays the same one."""
        now_ms = self._clock.wall_ms()
        choices = Choices(analytics, sharing, self.policy_version, now_ms)
        lines = [self._line(CHOICES_COOKIE, self._codec.seal(choices))]
        if analytics:
            visitor = self.read(headers).visitor or VisitorToken(secrets.token_bytes(ID_BYTES), now_ms)
            lines.append(self._line(VISITOR_COOKIE, self._codec.seal(visitor)))
        else:
            lines.append(clear_cookie(VISITOR_COOKIE))
        return lines

    @staticmethod
    def _line(name: str, token: bytes) -> str:
        return set_cookie(name, token.decode(), max_age_seconds=MAX_AGE_SECONDS)
