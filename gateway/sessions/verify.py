"""HOT (3 µs): forward auth for a lease that is good: no store, no await. Everything else is None, the long way.

A 200 is given here only if the signature held, the lease runs by the store's clock, this worker knows of every
revocation up to one fence ago (fence.py) and knows none that touches the lease. The long way repeats all of it.
"""

from collections.abc import Callable

from latchstring_middleware.cookies import named_cookies

from ..clock import Clock
from ..revocation.feed import Feed
from ..tokens.codec import Refused
from ..wire import Handler, Head, Reply
from .leases import Leases
from .policy import RUN_COOKIE, SESSION_COOKIE
from .visit import may_carry

_SESSION = SESSION_COOKIE.encode()
_RUN = RUN_COOKIE.encode()
_NAMES = frozenset((_SESSION, _RUN))


def verify_handler(leases: Leases, feed: Feed, clock: Clock, *, fresh_only: bool, count: Callable[[], None]) -> Handler:
    """The handler of one forward-auth route; with `fresh_only` a merely remembered user goes the long way to a 401."""
    find = leases.find
    fence = feed.fence
    boot_ns = clock.boot_ns

    def verify(head: Head) -> Reply | None:
        cookies = named_cookies(head.headers, _NAMES)
        token = cookies.get(_SESSION)
        if token is None:
            return None
        lease = find(token)
        now_ns = boot_ns()
        if isinstance(lease, Refused) or fence.until_ns <= now_ns:
            return None
        content = lease.content
        now_ms = fence.store_ms(now_ns)
        if now_ms >= lease.renew_at_ms and (now_ms >= content.lease_end_ms or may_carry(head) != "none"):
            return None
        # The replica is read through the feed at every check: it is the same object for the feed's whole life.
        if feed.replica.is_revoked(lease.session, lease.device, lease.account, content.generation):
            return None
        fresh = now_ms < content.fresh_until_ms and cookies.get(_RUN) == lease.run
        if not fresh and (fresh_only or not content.remembered):
            return None
        count()
        return lease.replies.get(fresh) or lease.reply(fresh)

    return verify
