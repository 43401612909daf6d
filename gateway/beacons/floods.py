"""Floods: how many hits a second one client may send, and a count of what was refused.

What is refused is not kept, or a flood would fill the disk; once a second the worker writes down how many there were,
as one record a wire, so that the ledger has them as received and excluded. A worker that is killed takes the counts of
its last second with it. Trackers send again after a 429, with growing pauses; a pixel is not sent again.
"""

import contextlib
from collections import Counter
from collections.abc import Callable
from socket import AF_INET6, inet_pton
from typing import Final

import msgspec

from latchstring_middleware.forwarded import TrustedProxies

from ..clock import Clock, SystemClock
from ..wire import Head, Header, HeaderNames, Reply
from .payload import FORMAT, REFUSED, RawHit, encode

#: What a client may send at once after a pause, in seconds of its rate.
BURST_SECONDS: Final = 10
#: Clients remembered at most, 100 bytes each.
MAX_CLIENTS: Final = 100_000

_LINES: Final = ((b"content-type", b"application/problem+json"), (b"retry-after", b"%d" % BURST_SECONDS))
_BODY: Final = msgspec.json.encode(
    {"type": "about:blank", "title": "Too many hits", "status": 429, "code": "too_many_hits"}
)
_FORWARDED: Final = HeaderNames(b"x-forwarded-for")


class Floods:
    """Says whose hit is one too many: `per_second` for each client of this worker, 0 for no limit.

    A client is an IPv4 address or a /64 of IPv6, as far as trusted proxies vouch for it. A proxy that does not say for
    whom it speaks is not limited, since it speaks for everybody.
    """

    def __init__(self, trusted: TrustedProxies, clock: Clock, *, per_second: float) -> None:
        self._trusted = trusted
        self._clock = clock
        self._between_ns = round(1e9 / per_second) if per_second else 0
        #: When a client's hits of before are paid off (GCRA: ITU-T I.371, virtual scheduling).
        self._paid_ns: dict[bytes, int] = {}
        self._refused: Counter[str] = Counter()
        #: Whether there is a limit.
        self.is_limited = bool(self._between_ns)
        #: All that were ever refused.
        self.total = 0

    def refuses(self, head: Head, source: str) -> bool:
        """Whether this hit is one too many; then it is counted."""
        client = self._client(head) if self.is_limited else None
        if client is None:
            return False
        now_ns = self._clock.boot_ns()
        paid_ns = max(self._paid_ns.get(client, 0), now_ns)
        if paid_ns - now_ns > BURST_SECONDS * 1_000_000_000:
            self._refused[source] += 1
            self.total += 1
            return True
        if len(self._paid_ns) >= MAX_CLIENTS:
            self._forget(now_ns)
        self._paid_ns[client] = paid_ns + self._between_ns
        return False

    def write_down(self, append: Callable[[bytes, Callable[[bool], object]], object]) -> None:
        """Hand what was refused since the last call to the journal's `append`; what it cannot keep is tried again."""
        refused, self._refused = self._refused, Counter()
        for source, count in refused.items():
            append(encode(_record(self._clock.wall_ms(), source, count)), self._again(source, count))

    def _again(self, source: str, count: int) -> Callable[[bool], None]:
        def done(kept: bool) -> None:  # noqa: FBT001 - the journal's callback
            if not kept:
                self._refused[source] += count

        return done

    def _client(self, head: Head) -> bytes | None:
        said = [(b"x-forwarded-for", value) for _name, value in head.lines(_FORWARDED)]
        address = self._trusted.client_address(head.peer, said)
        if self._trusted.trusts(address):
            return None
        if ":" in address:
            # Not so "unix:", a peer that is not trusted.
            with contextlib.suppress(OSError):
                return inet_pton(AF_INET6, address)[:8]
        return address.encode("latin-1")

    def _forget(self, now_ns: int) -> None:
        self._paid_ns = {client: paid_ns for client, paid_ns in self._paid_ns.items() if paid_ns > now_ns}
        if len(self._paid_ns) > MAX_CLIENTS // 2:
            # More clients in debt than fit: all begin anew.
            self._paid_ns.clear()


#: No limit.
UNLIMITED: Final = Floods(TrustedProxies.parse(""), SystemClock(), per_second=0)


def too_many(lines: tuple[Header, ...]) -> Reply:
    """429 with these header lines, among them those that let a page's script read it."""
    return Reply(429, (*lines, *_LINES), _BODY)


def _record(at_ms: int, source: str, count: int) -> RawHit:
    return RawHit(FORMAT, REFUSED, at_ms, "", b"", source.encode(), [], b"%d" % count, 0)


def refused_in(hit: RawHit) -> tuple[str, int] | None:
    """The wire and the number of refused hits in a record of them; None if it is not one."""
    source = hit.target.decode("latin-1")
    if hit.source != REFUSED or not hit.body.isdigit() or len(hit.body) > 12:
        return None
    return source, int(hit.body)
