"""Following the revocations: one subscribed connection, the streams behind it, and a heartbeat that renews the fence.

The order is the whole argument (docs/revocation.md): subscribe, register, load, then trust. A heartbeat first runs a
writing script, then sends PING on the subscribed connection; a server answers one client in order, so at the PONG
everything published before the script has been received and applied, and the fence holds from the script's sending.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from redis.exceptions import RedisError

from .. import logs, metrics
from ..clock import Clock
from ..errors import StoreAway
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from . import registry
from .acknowledge import Acknowledgements
from .entry import parse
from .fence import Fence, clocks_agree
from .give_back import give_back
from .pulse import Answer, History, Pulse
from .receipt import WorkerRow
from .replica import Replica
from .subscription import Subscription

_LOAD = load(Path(__file__).parent / "load.lua", keys=("revocations", "number"), args=("keep_ms",))
_PARTITION_OF_CHANNEL = {keys.revocations(p): p for p in range(keys.PARTITIONS)}

#: Store calls of one load under way at once: fewer than the pool holds, so that acknowledgements find a connection.
_AT_ONCE: Final = 16
#: Only the asker of a young entry still waits for an acknowledgement.
_ASKER_WAITS_MS: Final = 10_000

_log = logs.get("revocation")


class NotFollowing(StoreAway):
    """The store answers, but its bells do not come (yet): checks ask it one by one."""


class Feed:
    """A worker's link to the store. `start` it once; read `replica` and `fence`; `close` it when answering has ended.

    `row` is called at each registration, so it always states the key ids known then. `heard` is called with (worker,
    revocation ids) when another worker has applied what this one revoked; `vouch` raises for epochs not to be trusted.
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
    ) -> None:
        self.store = store
        self.clock = clock
        self.worker = worker
        self.replica = Replica(2 * lease_seconds)
        self.fence = Fence(row().fence_ms / 1000)
        self.epoch = 0
        self.epoch_stamp_ms = 0
        #: What the last pulse told of the store.
        self.history = History()
        #: Whether everything was loaded at least once since the start; before that nothing can be vouched for.
        self.loaded = False
        #: Whether the store left the last heartbeat without an answer.
        self.store_away = False
        self.row = row
        self._lease_ms = round(lease_seconds * 1000)
        self._heartbeat_seconds = heartbeat_seconds
        self._heard = heard
        self._acknowledgements = Acknowledgements(store, worker, heard)
        self._pulses = Pulse(store, clock, worker, vouch)
        self._subscription: Subscription | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._beat: asyncio.Task[None] | None = None
        self._settings_changed = False
        self._clocks_differ = False

    async def start(self) -> None:
        """Begin to follow in the background; returns at once, and does not need the store to be there."""
        self._spawn(self._follow())
        self._spawn(self._beat_for_ever())

    async def close(self) -> None:
        """Stop following and say goodbye. Call it only when this worker answers no check any more."""
        self.fence.drop()
        self.loaded = False
        ending = list(self._tasks)
        pending = set(ending)
        while pending:
            # Seen: a cancellation that meets a store call just as it ends is lost in the client library. Ask again.
            for task in pending:
                task.cancel()
            _done, pending = await asyncio.wait(pending, timeout=1.0)
        await asyncio.gather(*ending, return_exceptions=True)
        await self._acknowledgements.close()
        with contextlib.suppress(StoreAway):
            await registry.strike(self.store, self.worker)

    def store_ms(self) -> int:
        """The store's time now, or 0 if it was never heard."""
        return self.fence.store_ms(self.clock.boot_ns())

    def holds(self) -> bool:
        """Whether this worker's knowledge is fresh enough to accept a lease without the store."""
        return self.fence.until_ns > self.clock.boot_ns()

    async def refresh(self) -> bool:
        """Run a full heartbeat that begins now or later, shared by all who wait; whether the fence holds after it."""
        running = self._beat
        if running is not None and not running.done():
            # It may have begun before this call: its answer says nothing about what was revoked in between.
            await asyncio.wait({running})
            if self.store_away:
                # The next one would wait as long for the same silence.
                return self.holds()
        if self._beat is None or self._beat is running:
            self._beat = self._spawn(self._heartbeat())
            self._beat.add_done_callback(self._beaten)
        await asyncio.wait({self._beat})
        return self.holds()

    def announce(self) -> None:
        """The row changed (a key came or went): write it again with the next heartbeat."""
        self._settings_changed = True

    async def _follow(self) -> None:
        channels = [*_PARTITION_OF_CHANNEL, keys.acks(self.worker)]
        while True:
            began_ns = self.clock.boot_ns()
            subscription = Subscription(self.store, self._take)
            try:
                self.replica.forget_numbers()
                await subscription.open(channels)
                self._subscription = subscription
                await subscription.follow()
            except (RedisError, OSError, TimeoutError, ValueError, StoreAway) as fault:
                # The fence stands: it says how old the knowledge is, and a lost connection does not age it.
                _log.debug("feed_lost", fault=type(fault).__name__)
            finally:
                self._subscription = None
                await subscription.close()
            # One that had stood for a while is made again at once; who revokes meanwhile waits for us.
            if self.clock.boot_ns() - began_ns < self._heartbeat_seconds * 1e9:
                await asyncio.sleep(self._heartbeat_seconds)

    async def _beat_for_ever(self) -> None:
        while True:
            # Nothing is forgotten while out of contact: an outage may be bridged on what was known at its start.
            if await self.refresh():
                self.replica.prune(self.clock.boot_ns())
            await asyncio.sleep(self._heartbeat_seconds)

    def _beaten(self, beat: asyncio.Task[None]) -> None:
        if beat.cancelled():
            return
        fault = beat.exception()
        away = fault is not None and not isinstance(fault, NotFollowing)
        if away and not self.store_away and self.loaded:
            _log.warning("store_away", fault=repr(fault))
        elif self.store_away and not away:
            _log.info("store_back", worker=self.worker)
        self.store_away = away

    async def _heartbeat(self) -> None:
        began_ns = self.clock.boot_ns()
        try:
            await self._beat_once()
        except StoreAway:
            # A process that was stopped for longer than its time limits finds them over and the answers unread: what
            # it holds against the store then is its own stall. One that waited in vain gave up in time.
            if (self.clock.boot_ns() - began_ns) / 1e9 < self.store.timeout_seconds * 1.1:
                raise
        else:
            if self.holds() or self._clocks_differ:
                return
        # Stalled in the middle: what was sent before is too old by now.
        await self._beat_once()

    async def _beat_once(self) -> None:
        subscription = self._subscription
        sent_ns = self.clock.boot_ns()
        pulse = await self._pulse()
        if subscription is None:
            raise NotFollowing("not subscribed to the store")
        if pulse.known and self._settings_changed:
            # After the pulse: written before, it would hide that the row was missing.
            await self._register()
        if not pulse.known or pulse.epoch != self.epoch:
            await self._catch_up(subscription, pulse)
            sent_ns = self.clock.boot_ns()
            pulse = await self._pulse()
        if self.replica.behind:
            await self._load(subscription, sorted(self.replica.behind))
        try:
            await subscription.ping()
        except (RedisError, OSError, StoreAway) as fault:
            raise NotFollowing(f"the subscription was lost ({type(fault).__name__})") from fault
        disturbed = subscription is not self._subscription or self.epoch != pulse.epoch
        if disturbed or self.replica.behind or not pulse.known:
            raise NotFollowing("something changed during the heartbeat")
        self._renew(sent_ns, pulse.store_ms)

    def _renew(self, sent_ns: int, store_ms: int) -> None:
        if not clocks_agree(store_ms, self.clock.wall_ms()):
            self.fence.drop()
            if not self._clocks_differ:
                _log.error("clock_disagrees", store_ms=store_ms, wall_ms=self.clock.wall_ms())
            self._clocks_differ = True
            return
        self._clocks_differ = False
        if not self.loaded:
            self.loaded = True
            _log.info("following", worker=self.worker, epoch=self.epoch)
        self.fence.renew(sent_ns, store_ms)

    async def _pulse(self) -> Answer:
        answer = await self._pulses.send()
        self.history = answer.history
        # The longest leases of the deployment may not be this worker's own; the figure only grows.
        self.replica.keep_ns = max(self.replica.keep_ns, 2 * answer.lease_max_ms * 1_000_000)
        return answer

    async def _catch_up(self, subscription: Subscription, pulse: Answer) -> None:
        # Fence, register, give back what the store may have lost, load everything; only then trust again.
        self.fence.drop()
        self.replica.forget_numbers()
        await self._register()
        if self.epoch and pulse.epoch != self.epoch:
            await give_back(self.store, self.replica)
        await self._load(subscription, range(keys.PARTITIONS))
        self.epoch, self.epoch_stamp_ms = pulse.epoch, pulse.stamp_ms

    async def _register(self) -> None:
        # Cleared first, so that a change during the call is written too; set again, or a change in an outage were lost.
        self._settings_changed = False
        try:
            await registry.register(self.store, self.worker, self.row(), lease_ms=self._lease_ms)
        except StoreAway:
            self._settings_changed = True
            raise

    async def _load(self, subscription: Subscription, partitions: Sequence[int]) -> None:
        # Only what was read while `subscription` stood closes the gap before its first bell: read for a former one, it
        # would call a partition known of which an entry between the two connections was never heard.
        keep_ms = self.replica.keep_ns // 1_000_000
        for start in range(0, len(partitions), _AT_ONCE):
            chunk = partitions[start : start + _AT_ONCE]
            if subscription is not self._subscription:
                raise NotFollowing("the subscription was lost before a load")
            answers = await asyncio.gather(*(self._load_one(partition, keep_ms) for partition in chunk))
            if subscription is not self._subscription:
                raise NotFollowing("the subscription was lost during a load")
            for partition, (number, entries) in zip(chunk, answers, strict=True):
                self._take_load(partition, number, entries)

    async def _load_one(self, partition: int, keep_ms: int) -> tuple[int, list[str]]:
        number, entries = await _LOAD(
            self.store,
            {"revocations": keys.revocations(partition), "number": keys.number(partition)},
            {"keep_ms": keep_ms},
        )
        return number, entries

    def _take_load(self, partition: int, number: int, entries: list[str]) -> None:
        for entry in self.replica.loaded(partition, number, [parse(text) for text in entries], self.clock.boot_ns()):
            metrics.revocation_applied(at_ms=entry.at_ms, store_ms=self.store_ms())
            # Its bell rang while we were not subscribed, and somebody may be waiting.
            if self.clock.wall_ms() - entry.at_ms < _ASKER_WAITS_MS:
                self._acknowledgements.note(entry)

    def _take(self, channel: str, message: str) -> None:
        partition = _PARTITION_OF_CHANNEL.get(channel)
        if partition is None:
            worker, *ids = message.split(" ")
            self._heard(worker, ids)
            return
        entry = parse(message)
        if self.replica.apply(partition, entry, self.clock.boot_ns()):
            metrics.revocation_applied(at_ms=entry.at_ms, store_ms=self.store_ms())
        self._acknowledgements.note(entry)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
