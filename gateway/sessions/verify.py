"""HOT (1.5 µs): forward auth for a lease that is good: no store, no await. Everything else is None, the long way.

A 200 is given here only if the signature held, the lease runs by the store's clock, this worker knows of every
revocation up to one fence ago (fence.py) and knows none that touches the lease. The long way repeats all of it.
"""

from collections.abc import Callable
from typing import Final

from ..clock import Clock
from ..metrics import HotCount
from ..revocation.feed import Feed
from ..wire import Handler, Head, HeaderNames, Reply
from .leases import Leases
from .requirement import REQUIRE_HEADER
from .visit import may_carry

_DECIDING: Final = HeaderNames(b"cookie", REQUIRE_HEADER)
#: The length tells the two apart. To look for the second name costs 0.1 µs; left to one door, another could forget it.
_COOKIE_CHARS: Final = 6


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
    fences, boot_ns, by_line = feed.fences, clock.boot_ns, leases.by_line
    # All are the same objects for the feed's whole life.
    revoked, generations, floors = feed.replica.revoked, feed.replica.generations, feed.replica.floors

    def verify(head: Head) -> Reply | None:
        lines = head.lines(_DECIDING)
        if len(lines) != 1:
            # No cookie or several, or a requirement beyond the route's own.
            return None
        name, line = lines[0]
        if len(name) != _COOKIE_CHARS:
            return None
        # A line seen before needs no parsing (1.9 µs of a 330-byte line): the result depends on its bytes alone.
        known = by_line.get(line) or leases.read_line(line)
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
