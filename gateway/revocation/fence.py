"""HOT (0.1 µs): how old a worker's knowledge of the revocations may be, and what time it is in the store. Pure.

A fence is renewed only by a full heartbeat: a *writing* script on the store, then everything published before it
received and applied. It holds from the moment that heartbeat was sent, so while it holds the worker knows of every
revocation appended before `until_ns` minus the fence. Both figures use CLOCK_BOOTTIME: wall clocks step.
"""

from typing import Final

#: A store clock further off than this from the worker's means that one of them is wrong, and which is unknown.
MAX_CLOCK_DIFFERENCE_MS: Final = 30_000
#: What is added to every waiting time because clocks of different machines do not run at the same rate.
DRIFT: Final = 1.1


class Fence:
    """The fence of one store node, and the store's time as last seen there."""

    __slots__ = (
        "anchor_ms",
        "anchor_ns",
        "contact_ns",
        "contact_store_ms",
        "dropped",
        "lapsed",
        "length_ns",
        "renewed",
        "until_ns",
    )

    def __init__(self, length_seconds: float) -> None:
        self.length_ns = round(length_seconds * 1e9)
        #: Up to when (boot time) leases may be trusted without asking the store; 0 is never.
        self.until_ns = 0
        #: When the last full heartbeat was sent, by boot time and by the store's clock; 0 before the first.
        self.contact_ns = 0
        self.contact_store_ms = 0
        #: A moment by the store's clock, and the same by boot time: what `store_ms` reckons from.
        self.anchor_ms = 0
        self.anchor_ns = 0
        #: How often it was renewed; dropped while it held; and renewed only after it had run out.
        self.renewed = 0
        self.dropped = 0
        self.lapsed = 0

    def renew(self, sent_ns: int, store_ms: int, *, not_after_ns: int | None = None) -> None:
        """A heartbeat sent at `sent_ns`, answered at store time `store_ms`, has been followed by its PONG.

        `not_after_ns` is the last contact with another server on which this one's word depends.
        """
        self.renewed += 1
        self.lapsed += 0 < self.until_ns < sent_ns
        self.contact_ns = sent_ns if not_after_ns is None else min(sent_ns, not_after_ns)
        self.until_ns = self.contact_ns + self.length_ns
        self.contact_store_ms = store_ms
        # Anchored at the sending, the store's time is never guessed too low: a lease never lives longer than it says.
        self.anchor_ms = store_ms
        self.anchor_ns = sent_ns

    def drop(self) -> None:
        """Trust nothing until the next full heartbeat."""
        self.dropped += self.until_ns > 0
        self.until_ns = 0

    def store_ms(self, boot_ns: int) -> int:
        """The store's time now, or 0 before the first heartbeat."""
        if not self.anchor_ns:
            return 0
        return self.anchor_ms + (boot_ns - self.anchor_ns) // 1_000_000


def clocks_agree(store_ms: int, wall_ms: int) -> bool:
    """Whether the store's clock and this machine's differ by no more than `MAX_CLOCK_DIFFERENCE_MS`."""
    return abs(store_ms - wall_ms) <= MAX_CLOCK_DIFFERENCE_MS
