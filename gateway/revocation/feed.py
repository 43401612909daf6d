"""A worker's whole link to the store: one link a server, what it has heard, and its row in the registry."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Literal, TypeAlias, get_args
from zlib import crc32

from .. import logs
from ..background import Background, Work
from ..clock import Clock
from ..errors import StoreAway
from ..store import keys
from ..store.client import Store
from . import registry
from .acknowledge import Acknowledgements
from .doubts import Doubts
from .entry import Entry
from .fence import Fence
from .following import Following
from .link import Link
from .receipt import WorkerRow
from .replica import Replica
from .trimming import EVERY_SECONDS, Trimming, is_catching_up

#: A turn asks each server once; both calls have time limits of two seconds.
_SERVERS_SECONDS: Final = 8.0
_SERVERS_REMEDY: Final = "this worker may follow servers that hold nothing any more; restart it if this lasts"

FenceEvent: TypeAlias = Literal["renewed", "dropped", "lapsed"]

_log = logs.get("revocation")


class Feed:
    """`start` it once; read `replica` and the link of a partition; `close` it when answering has ended.

    `row` is called at each registration, so it always states the key ids known then. `heard` is called with (worker,
    revocation ids) when another worker has applied what this one revoked; `vouch` raises for epochs not to be trusted.
    Its background tasks are among those of `work`.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        worker: str,
        row: Callable[[], WorkerRow],
        lease_seconds: float,
        heartbeat_seconds: float,
        heard: Callable[[str, list[str]], None],
        vouch: Callable[[int], Awaitable[None]] | None = None,
        work: Work | None = None,
    ) -> None:
        self.work = work or Work(clock)
        self.store = store
        self.clock = clock
        self.worker = worker
        self.replica = Replica(2 * lease_seconds)
        self.row = row
        self._lease_ms = round(lease_seconds * 1000)
        #: By partition; the lists stay the same objects for the feed's whole life.
        self.fences: list[Fence] = []
        self.doubts = Doubts(self.fences, self._tell)
        self._acknowledgements = Acknowledgements(store, worker, heard)
        self._following = Following(
            store,
            clock,
            worker,
            self.replica,
            self._acknowledgements,
            self.doubts,
            heard,
            self._register,
            vouch,
            fence_seconds=row().fence_ms / 1000,
            heartbeat_seconds=heartbeat_seconds,
            work=self.work,
        )
        self._background = Background(clock, self.work)
        self._trimming = Trimming(store, first=crc32(worker.encode()))
        #: What was counted by fences that are no more.
        self._former: Counter[str] = Counter()
        everything = Link(self._following, tuple(range(keys.PARTITIONS)))
        self.links: list[Link] = [everything] * keys.PARTITIONS
        self.fences += [everything.fence] * keys.PARTITIONS

    async def start(self) -> None:
        """Begin to follow in the background; returns at once, and does not need the store to be there."""
        for link in self._links():
            link.start()
        self._acknowledgements.start(self.clock, self.work)
        self._background.forever(
            "servers",
            self._keep_house,
            every_seconds=self._following.heartbeat_seconds,
            within_seconds=_SERVERS_SECONDS,
            remedy=_SERVERS_REMEDY,
        )

        self._background.forever(
            "trim",
            self._trim,
            every_seconds=EVERY_SECONDS,
            within_seconds=10 * EVERY_SECONDS,
            remedy="the streams of revocations and events grow until another worker trims them",
        )

    async def close(self) -> None:
        """Stop following and say goodbye. Call it only when this worker answers no check any more."""
        await self._background.close()
        for link in self._links():
            await link.close()
        await self._acknowledgements.close()
        with contextlib.suppress(StoreAway):
            await registry.strike(self.store, self.worker)

    @property
    def loaded(self) -> bool:
        """Whether every partition was loaded at least once since the start."""
        return all(link.loaded for link in self._links())

    @property
    def store_away(self) -> bool:
        """Whether a server left the last heartbeat without an answer."""
        return any(link.store_away for link in self._links())

    @property
    def contact_store_ms(self) -> int:
        """Up to when (the servers' time) everything that was revoked is known here; 0 before the first heartbeat."""
        return min(link.fence.contact_store_ms for link in self._links())

    @property
    def registry_link(self) -> Link:
        """The link to the server that holds the registry."""
        return self.links[0]

    def holds(self) -> bool:
        """Whether this worker's knowledge of every partition is fresh enough to accept a lease without the store."""
        return all(link.holds() for link in self._links())

    async def refresh(self, partition: int | None = None) -> bool:
        """A full heartbeat that begins now or later; whether the partition's fence, or every one, holds after it."""
        # The registry's first: no other fence outlasts it.
        await self.registry_link.refresh()
        others = [self.links[partition]] if partition is not None else self._links()
        await asyncio.gather(*(link.refresh() for link in others if link is not self.registry_link))
        return self.holds() if partition is None else self.links[partition].holds()

    def fence_total(self, event: FenceEvent) -> int:
        """How often fences were renewed, dropped while they held, or renewed only after they had run out."""
        now: list[int] = [getattr(link.fence, event) for link in self._links()]
        return self._former[event] + sum(now)

    def announce(self) -> None:
        """The row changed (a key came or went): write it again with the next heartbeat."""
        self._following.row_changed = True

    def _tell(self, partition: int, entry: Entry) -> None:
        # Who listens is said after this feed was made.
        self.replica.tell(partition, entry)

    def _links(self) -> list[Link]:
        return list(dict.fromkeys(self.links))

    async def _register(self) -> None:
        # Cleared first, so that a change during the call is written too; set again, or a change in an outage were lost.
        self._following.row_changed = False
        try:
            await registry.register(self.store, self.worker, self.row(), lease_ms=self._lease_ms)
        except StoreAway:
            self._following.row_changed = True
            raise

    async def _keep_house(self) -> None:
        with contextlib.suppress(StoreAway):
            await self._arrange(await self.store.shares())
        self.doubts.settle(self.links)
        # Nothing is forgotten while out of contact: an outage may be bridged on what was known at its start.
        if self.holds() and not any(map(is_catching_up, self._links())):
            self.replica.prune(self.clock.boot_ns())
            self.doubts.forget(self.links, self.clock.boot_ns(), self.replica.keep_ns)

    async def _trim(self) -> None:
        await self._trimming.step(self.links)

    async def _arrange(self, shares: tuple[tuple[int, ...], ...]) -> None:
        """One link for each share of the partitions; those that are as they were go on undisturbed."""
        standing = {link.partitions: link for link in self._links()}
        former = [link for share, link in standing.items() if share not in shares]
        if not former:
            return
        _log.info("servers_changed", servers=len(shares))
        for link in former:
            link.fence.drop()
        # What was followed elsewhere before may have been lost on the way; at the very start there was nothing.
        make = partial(Link, self._following, is_first=not any(link.epoch for link in former))
        for share in shares:
            link = standing.get(share) or make(share)
            for partition in share:
                self.links[partition] = link
                self.fences[partition] = link.fence
            self.doubts.close_fences()
            if share not in standing:
                link.start()
        for link in former:
            await link.close()
            self._former.update({event: getattr(link.fence, event) for event in get_args(FenceEvent)})
