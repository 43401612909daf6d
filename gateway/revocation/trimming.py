"""Letting go of old entries, a partition at a time: 24 hours of revocations, seven days of events for hooks.

Only a worker whose fence holds does it, and only while the store's clock has run evenly for long enough: by a clock
that was just set ahead, everything would be old.
"""

from pathlib import Path
from typing import Final

from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from .link import Link

_TRIM = load(
    Path(__file__).parent / "trim.lua",
    keys=("revocations", "outbox"),
    args=("revoked_before_ms", "told_before_ms", "now_ms"),
)
REVOCATIONS_KEPT_MS: Final = 86_400_000
EVENTS_KEPT_MS: Final = 7 * REVOCATIONS_KEPT_MS
#: How long the clock must have run evenly: a mistake that is put right within this time costs nothing.
EVEN_MS: Final = 3_600_000
#: One partition each time, so that all have had their turn within an hour and a half, however few workers there are.
EVERY_SECONDS: Final = 20.0


class Trimming:
    """One worker's share of it: every worker takes the partitions in turn, from one of its own on."""

    def __init__(self, store: Store, *, first: int) -> None:
        self._store = store
        self._next = first % keys.PARTITIONS

    async def step(self, links: list[Link]) -> int:
        """Trim the next partition, if its server's clock allows it; how many entries went. Raises StoreAway."""
        partition = self._next
        self._next = (partition + 1) % keys.PARTITIONS
        link = links[partition]
        even_ms = max(EVEN_MS, 2 * link.lease_max_ms)
        if not link.holds() or is_catching_up(link) or not link.history.ran_evenly_for(even_ms, link.store_ms()):
            return 0
        now_ms = link.store_ms()
        return int(
            await _TRIM(
                self._store,
                {"revocations": keys.revocations(partition), "outbox": keys.outbox(partition)},
                {
                    "revoked_before_ms": now_ms - REVOCATIONS_KEPT_MS,
                    "told_before_ms": now_ms - EVENTS_KEPT_MS,
                    "now_ms": now_ms,
                },
            )
        )


def is_catching_up(link: Link) -> bool:
    """Whether nothing may be forgotten of a server, since its clock was put back (History.is_catching_up)."""
    return link.history.is_catching_up(link.store_ms(), link.lease_max_ms)
