"""HOT (1.5 µs): forward auth for a lease that is good: no store, no await. Everything else is None, the long way.

A 200 is given here only if the signature held, the lease runs by the store's clock, this worker knows of every
revocation up to one fence ago (fence.py) and knows none that touches the lease. The long way repeats all of it.
"""

from collections.abc import Callable
from typing import Final

from ..clock import Clock
from ..hot_counts import HotCount
from ..revocation.feed import Feed
from ..wire import Handler, Head, HeaderNames, Headers, Reply
from .leases import Leases
from .requirement import REQUIRE_HEADER
from .visit import may_carry

_DECIDING: Final = HeaderNames(b"authorization", b"cookie", REQUIRE_HEADER)
#: The length tells them apart. To look for another name costs 0.1 µs; left to one door, another could forget it.
_COOKIE_CHARS: Final = 6
_AUTHORIZATION_CHARS: Final = 13


def verify_handler(
    leases: Leases,
    feed: Feed,
    clock: Clock,
    *,
    fresh_only: bool,
    count: HotCount,
    country_of: Callable[[Head], bytes] | None = None,
) -> Handler:
    """The handler of one forward-auth route; with `fresh_only` a merely remembered user goes the long way to a 401.

    Without `country_of` the country is left blank, and nothing is spent on it.
    """
    fences, boot_ns = feed.fences, clock.boot_ns
    by_line, by_authorization = leases.by_line, leases.by_authorization
    # All are the same objects for the feed's whole life.
    revoked, generations, floors = feed.replica.revoked, feed.replica.generations, feed.replica.floors

    def verify(head: Head) -> Reply | None:
        lines = head.lines(_DECIDING)
        if len(lines) != 1:
            lines = _cookie_beside_authorization(lines)
            if not lines:
                return None
        name, line = lines[0]
        # A line seen before needs no parsing (1.9 µs of a 330-byte line): the result depends on its bytes alone.
        if len(name) == _COOKIE_CHARS:
            known = by_line.get(line) or leases.read_line(line)
        elif len(name) == _AUTHORIZATION_CHARS:
            known = by_authorization.get(line) or leases.read_authorization(line)
        else:
            return None
        if known is None:
            return None
        lease, same_run = known
        now_ns = boot_ns()
        content, fence = lease.content, fences[lease.partition]
        if fence.until_ns <= now_ns:
            return None
        now_ms = fence.anchor_ms + (now_ns - fence.anchor_ns) // 1_000_000
        if now_ms < lease.begins_at_ms:
            return None
        if now_ms >= lease.renew_at_ms and (now_ms >= lease.ends_at_ms or may_carry(head) != "none"):
            return None
        if (
            lease.session in revoked
            or lease.device in revoked
            or content.generation < generations.get(lease.account, 0)
            or content.generation < floors[lease.partition]
        ):
            return None
        fresh = same_run and now_ms < content.fresh_until_ms
        if not fresh and (fresh_only or not content.remembered):
            return None
        count.pending += 1
        country = b"" if country_of is None else country_of(head)
        return lease.replies[fresh].get(country) or lease.reply(fresh, country)

    return verify


def _cookie_beside_authorization(lines: Headers) -> Headers:
    """The one cookie of two lines whose other is an Authorization, for a session goes before an access token and the
    website's own credentials are its own; nothing for anything else: no line, several cookies, a requirement.
    """
    cookies = [line for line in lines if len(line[0]) == _COOKIE_CHARS]
    others = [line for line in lines if len(line[0]) == _AUTHORIZATION_CHARS]
    return cookies if len(cookies) == len(others) == 1 and len(lines) == 2 else []
