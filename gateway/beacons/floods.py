"""Floods: how many events a second one client may send, and a count of what was refused.

What is refused is not kept, or a flood would fill the disk; once a second the worker writes down how many there were,
as one record a wire, so that the ledger has them as received and excluded. A worker that is killed takes the counts of
its last second with it. Trackers send again after a 429, with growing pauses; a pixel is not sent again.
"""

import contextlib
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from socket import AF_INET6, inet_pton
from typing import Final

import msgspec

from latchstring_middleware.forwarded import TrustedProxies

from .. import logs
from ..clock import Clock, SystemClock
from ..wire import Head, Header, HeaderNames, Reply
from .charges import events_in
from .payload import FORMAT, REFUSED, RawHit, encode

#: What a client may send at once after a pause, in seconds of its rate.
BURST_SECONDS: Final = 10
_BURST_NS: Final = BURST_SECONDS * 1_000_000_000
#: A /48 of IPv6, which one site may have whole, may send as much as so many of its /64s.
NETWORKS_OF_A_SITE: Final = 16
#: No body that is shorter brings more than one event.
_ONE_EVENT_BYTES: Final = 20
_PRIVATE: Final = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1"))
)
_REMEDY: Final = "if it is a proxy, name it in LATCHSTRING_TRUSTED_PROXIES"
_log: Final = logs.get("beacons")
#: Clients remembered at most, 100 bytes each.
MAX_CLIENTS: Final = 100_000

_LINES: Final = ((b"content-type", b"application/problem+json"),)
_BODY: Final = msgspec.json.encode(
    {"type": "about:blank", "title": "Too many hits", "status": 429, "code": "too_many_hits"}
)
_FORWARDED: Final = HeaderNames(b"x-forwarded-for")


class Floods:
    """Says whose hit is one too many: `per_second` events of each client of this worker, 0 for no limit.

    A client is an IPv4 address or a /64 of IPv6, as far as trusted proxies vouch for it; the /64s of one /48 may
    together send what NETWORKS_OF_A_SITE of them may. A proxy that does not say for whom it speaks is not limited,
    since it speaks for everybody.
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
        self._has_warned = False
        #: All that were ever refused.
        self.total = 0

    def refuses(self, head: Head, source: str, body: bytes = b"") -> int:
        """0 if this hit may come in, which then is charged for each event of `body`.

        Else it is one too many, and counted; gives the seconds after which its client may send again.
        """
        debtors = self._debtors(head) if self.is_limited else ()
        now_ns = self._clock.boot_ns()
        for debtor, _ in debtors:
            owed_ns = self._paid_ns.get(debtor, 0) - now_ns - _BURST_NS
            if owed_ns > 0:
                self._refused[source] += 1
                self.total += 1
                self._warn(head.peer)
                return -(-owed_ns // 1_000_000_000)
        if debtors:
            cost_ns = self._between_ns * (events_in(body) if len(body) > _ONE_EVENT_BYTES else 1)
            if len(self._paid_ns) >= MAX_CLIENTS:
                self._forget(now_ns)
            for debtor, share in debtors:
                self._paid_ns[debtor] = max(self._paid_ns.get(debtor, 0), now_ns) + cost_ns // share
        return 0

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

    def _warn(self, peer: str) -> None:
        """Say once that what looks like a client may be a proxy of one's own."""
        if not self._has_warned and _is_of_a_private_network(peer) and not self._trusted.trusts(peer):
            self._has_warned = True
            _log.warning(
                "flood_from_private_address", remedy="if it is a proxy, name it in LATCHSTRING_TRUSTED_PROXIES"
            )

    def _debtors(self, head: Head) -> tuple[tuple[bytes, int], ...]:
        """Who is charged, and for which part; nobody for one who speaks for many."""
        said = [(b"x-forwarded-for", value) for _name, value in head.lines(_FORWARDED)]
        address = self._trusted.client_address(head.peer, said)
        if self._trusted.trusts(address):
            return ()
        return _networks(address)

    def _forget(self, now_ns: int) -> None:
        self._paid_ns = {client: paid_ns for client, paid_ns in self._paid_ns.items() if paid_ns > now_ns}
        if len(self._paid_ns) > MAX_CLIENTS // 2:
            # More clients in debt than fit: all begin anew.
            self._paid_ns.clear()


#: No limit.
UNLIMITED: Final = Floods(TrustedProxies.parse(""), SystemClock(), per_second=0)


def too_many(lines: tuple[Header, ...], retry_after_seconds: int) -> Reply:
    """429 with these header lines, among them those that let a page's script read it."""
    return Reply(429, (*lines, *_LINES, (b"retry-after", b"%d" % retry_after_seconds)), _BODY)


@lru_cache(maxsize=65_536)
def _networks(address: str) -> tuple[tuple[bytes, int], ...]:
    if ":" in address:
        # Not so "unix:", a peer that is not trusted.
        with contextlib.suppress(OSError):
            network = inet_pton(AF_INET6, address)
            return ((network[:8], 1), (network[:6], NETWORKS_OF_A_SITE))
    return ((address.encode("latin-1"), 1),)


@lru_cache(maxsize=4_096)
def _is_of_a_private_network(address: str) -> bool:
    """A proxy of one's own that nobody has named, or a colleague: on the Internet nobody has such an address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in _PRIVATE if network.version == parsed.version)


def _record(at_ms: int, source: str, count: int) -> RawHit:
    return RawHit(FORMAT, REFUSED, at_ms, "", b"", source.encode(), [], b"%d" % count, 0)


def refused_in(hit: RawHit) -> tuple[str, int] | None:
    """The wire and the number of refused hits in a record of them; None if it is not one."""
    source = hit.target.decode("latin-1")
    if hit.source != REFUSED or not hit.body.isdigit() or len(hit.body) > 12:
        return None
    return source, int(hit.body)
