"""HOT, three pixels of our own: a hit of a Snowplow tracker is kept raw and answered by a GIF or "ok", and a cookie.

Nothing is parsed here: a hit is judged by the shipper, so none is ever answered 4xx. A tracker takes any 2xx for
"done", 400, 401, 403, 410 and 422 for "throw it away", and sends again after everything else.
"""

from typing import Final

from latchstring_middleware.forwarded import TrustedProxies

from ..beacons.batch import MAX_ORIGINS, allowed_origin, cors_lines
from ..beacons.floods import Floods, too_many
from ..beacons.hit import GIF
from ..beacons.payload import ANONYMOUS, FORMAT, NETWORK_USER, SNOWPLOW, encode, kept_headers
from ..clock import Clock
from ..wire import Answer, Handler, Head, Header, HeaderNames, Headers, Recorded, Reply
from .network_user import NetworkUsers, is_anonymous

_ANONYMOUS: Final = HeaderNames(ANONYMOUS)
#: What is not even written down of one who asks to be nobody.
_TELLING: Final = frozenset({b"x-forwarded-for", b"cookie"})

_NOT_STORED: Final = (b"cache-control", b"no-cache, no-store, must-revalidate")
_NO_SNIFFING: Final = (b"x-content-type-options", b"nosniff")
#: Trackers read the answer to a POST to its end before it counts.
_OK: Final = b"ok"


class Collector:
    """The handlers of all paths that trackers know, and what the long way makes of the rest."""

    def __init__(self, users: NetworkUsers, trusted: TrustedProxies, clock: Clock, floods: Floods) -> None:
        self._users = users
        self._trusted = trusted
        self._floods = floods
        self._wall_ms = clock.wall_ms
        self._replies: dict[tuple[bytes, bool], Reply] = {}

    def handler(self, stands_for: bytes = b"") -> Handler:
        """The handler of one path; with `stands_for` its hits are kept as if they had come by that path."""

        def take(head: Head) -> Answer:
            if head.method not in (b"GET", b"HEAD", b"POST"):
                return None
            return self.take(head, len(head.body), stands_for)

        return take

    def take(self, head: Head, body_bytes: int, stands_for: bytes = b"") -> Recorded | Reply:
        """A hit of which the sender sent `body_bytes`, kept and answered, unless it is one too many."""
        refused = self.refused(head)
        if refused is not None:
            return refused
        payload, set_cookie = self.keep(head, body_bytes, stands_for)
        return Recorded(payload, self._reply(head, set_cookie))

    def refused(self, head: Head) -> Reply | None:
        """The answer to a hit that is one too many from its client."""
        if seconds := self._floods.refuses(head, SNOWPLOW, head.body):
            return too_many(lines_for(allowed_origin(head.headers)), seconds)
        return None

    def keep(self, head: Head, body_bytes: int, stands_for: bytes = b"") -> tuple[bytes, bytes]:
        """The payload for the journal, and the cookie that goes back, if any."""
        headers = head.headers
        identity = self._users.identify(headers)
        kept = kept_headers(head)
        peer = head.peer
        if is_anonymous(headers):
            kept = [line for line in kept if line[0].lower() not in _TELLING] + head.lines(_ANONYMOUS)
            # A proxy's own address tells nobody apart, and its request id is believed by it.
            peer = peer if self._trusted.trusts(peer) else ""
        elif identity.id:
            kept.append((NETWORK_USER, identity.id))
        target = head.target
        if stands_for:
            _, mark, query = target.partition(b"?")
            target = stands_for + mark + query
        method, body = head.method, head.body
        fields = (FORMAT, SNOWPLOW, self._wall_ms(), peer, method, target, kept, body, body_bytes)
        return encode(fields), identity.set_cookie

    def _reply(self, head: Head, set_cookie: bytes) -> Reply:
        key = (allowed_origin(head.headers), head.method == b"POST")
        if set_cookie:
            return reply_with(key, set_cookie)
        reply = self._replies.get(key)
        if reply is None:
            reply = reply_with(key)
            if len(self._replies) < MAX_ORIGINS:
                self._replies[key] = reply
        return reply


def reply_with(key: tuple[bytes, bool], set_cookie: bytes = b"") -> Reply:
    """The answer to an origin, by whether it was a POST."""
    origin, is_post = key
    kind, body = (b"text/plain; charset=utf-8", _OK) if is_post else (b"image/gif", GIF)
    return Reply(200, (*lines_for(origin, set_cookie), (b"content-type", kind)), body)


def lines_for(origin: bytes, set_cookie: bytes = b"") -> tuple[Header, ...]:
    """The header lines that every answer to a tracker has.

    Trackers send credentials unless they are told otherwise; beacons/batch.py says to which origins that is allowed.
    """
    lines: Headers = [
        *cors_lines(origin),
        (b"cross-origin-resource-policy", b"cross-origin"),
        _NOT_STORED,
        _NO_SNIFFING,
    ]
    if set_cookie:
        lines.append((b"set-cookie", set_cookie))
    return tuple(lines)


def preflight_for(origin: bytes) -> Reply:
    """The answer to a browser that asks first."""
    return Reply(
        200,
        (
            *lines_for(origin),
            (b"access-control-allow-headers", b"Content-Type, SP-Anonymous"),
            (b"access-control-max-age", b"3600"),
        ),
    )
