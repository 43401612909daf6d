"""Following the revocations: one subscribed connection, the streams behind it, and a heartbeat that renews the fence.

The order is the whole argument (docs/revocation.md): subscribe, register, load, then trust. A heartbeat first runs a
writing script, then sends PING on the subscribed connection; a server answers one client in order, so at the PONG
everything published before the script has been received and applied, and the fence holds from the script's sending.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from .. import logs
from ..clock import Clock
from ..errors import StoreAway
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from . import registry
from .entry import Entry, parse
from .fence import Fence, clocks_agree
from .receipt import WorkerRow
from .replica import Replica
from .subscription import Subscription

_HERE = Path(__file__).parent
_PULSE = load(_HERE / "pulse.lua", keys=("deployment", "workers", "pulses"), args=("worker",))
_LOAD = load(_HERE / "load.lua", keys=("revocations", "number"), args=("keep_ms",))
_RESTORE = load(
    _HERE / "restore.lua",
    keys=("revocations", "number", "account_or_row"),
    args=("keep_ms", "kind", "id", "generation", "revocation_id", "at_ms"),
)
_PARTITION_OF_CHANNEL = {keys.revocations(p): p for p in range(keys.PARTITIONS)}

_log = logs.get("revocation")


class Feed:
    """A worker's link to the store. `start` it once; read `replica` and `fence`; `close` it when answering has ended.

    `row` is called at each registration, so it always states the key ids known then.
    `heard` is called with (worker, revocation ids) when another worker has applied what this one revoked.
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
    ) -> None:
        self.store = store
        self.clock = clock
        self.worker = worker
        self.replica = Replica(2 * lease_seconds)
        self.fence = Fence(row().fence_ms / 1000)
        self.epoch = 0
        self.epoch_stamp_ms = 0
        #: Whether everything was loaded at least once since the start; before that nothing can be vouched for.
        self.loaded = False
        #: Whether the last heartbeat failed.
        self.store_away = False
        self._row = row
        self._lease_ms = round(lease_seconds * 1000)
        self._heartbeat_seconds = heartbeat_seconds
        self._heard = heard
        self._subscription: Subscription | None = None
        self._to_acknowledge: dict[str, list[str]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._beat: asyncio.Task[None] | None = None
        self._settings_changed = False

    async def start(self) -> None:
        """Begin to follow in the background; returns at once, and does not need the store to be there."""
        self._spawn(self._follow())
        self._spawn(self._beat_for_ever())

    async def close(self) -> None:
        """Stop following and say goodbye. Call it only when this worker answers no check any more."""
        self.fence.drop()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
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

    # The two loops.

    async def _follow(self) -> None:
        # A silent connection is normal only up to the next PONG; longer, and the peer is gone without a word.
        silence_seconds = max(self._heartbeat_seconds * 5, self.store.timeout_seconds)
        while True:
            subscription = Subscription(self.store, self._take)
            try:
                self.replica.forget_numbers()
                await subscription.open([*_PARTITION_OF_CHANNEL, keys.acks(self.worker)])
                self._subscription = subscription
                await subscription.follow(silence_seconds)
            except (RedisError, OSError, TimeoutError, ValueError, StoreAway) as fault:
                # The fence stands: it says how old the knowledge is, and a lost connection does not age it.
                _log.debug("feed_lost", fault=type(fault).__name__)
            finally:
                self._subscription = None
                await subscription.close()
            await asyncio.sleep(self._heartbeat_seconds)

    async def _beat_for_ever(self) -> None:
        while True:
            # Nothing is forgotten while out of contact: an outage may be bridged on what was known at its start.
            if await self.refresh():
                self.replica.prune(self.clock.boot_ns())
            await asyncio.sleep(self._heartbeat_seconds)

    def _beaten(self, beat: asyncio.Task[None]) -> None:
        away = beat.cancelled() or beat.exception() is not None
        if away and not self.store_away and self.loaded:
            _log.warning("store_away", fault=repr(None if beat.cancelled() else beat.exception()))
        elif self.store_away and not away:
            _log.info("store_back", worker=self.worker)
        self.store_away = away

    async def _heartbeat(self) -> None:
        subscription = self._subscription
        if subscription is None:
            raise StoreAway("not subscribed to the store")
        sent_ns = self.clock.boot_ns()
        if self._settings_changed:
            self._settings_changed = False
            await self._register()
        known, store_ms, _run_id, epoch, stamp_ms, _lease_max = await _PULSE(
            self.store,
            {"deployment": keys.DEPLOYMENT, "workers": keys.WORKERS, "pulses": keys.PULSES},
            {"worker": self.worker},
        )
        if not known or epoch != self.epoch:
            await self._catch_up(epoch=epoch, stamp_ms=stamp_ms)
            sent_ns = self.clock.boot_ns()
            _known, store_ms, *_rest = await _PULSE(
                self.store,
                {"deployment": keys.DEPLOYMENT, "workers": keys.WORKERS, "pulses": keys.PULSES},
                {"worker": self.worker},
            )
        if self.replica.behind:
            await self._load(sorted(self.replica.behind))
        await subscription.ping()
        if subscription is not self._subscription or self.replica.behind or self.epoch != epoch:
            raise StoreAway("the subscription changed during the heartbeat")
        if not clocks_agree(store_ms, self.clock.wall_ms()):
            self.fence.drop()
            _log.warning("clock_disagrees", store_ms=store_ms, wall_ms=self.clock.wall_ms())
            return
        if not self.loaded:
            self.loaded = True
            _log.info("following", worker=self.worker, epoch=epoch)
        self.fence.renew(sent_ns, store_ms)

    async def _catch_up(self, *, epoch: int, stamp_ms: int) -> None:
        # Fence, register, give back what the store may have lost, load everything; only then trust again.
        self.fence.drop()
        self.replica.forget_numbers()
        await self._register()
        if self.epoch and epoch != self.epoch:
            await self._give_back()
        await self._load(list(range(keys.PARTITIONS)))
        self.epoch, self.epoch_stamp_ms = epoch, stamp_ms

    async def _register(self) -> None:
        await registry.register(self.store, self.worker, self._row(), lease_ms=self._lease_ms)

    async def _give_back(self) -> None:
        for partition, entry in self.replica.holdings():
            row = {
                "device": keys.device(partition, entry.subject),
                "session": keys.session(partition, entry.subject),
            }.get(entry.kind, f"{keys.prefix(partition)}account:{entry.subject}")
            restored = await _RESTORE(
                self.store,
                {"revocations": keys.revocations(partition), "number": keys.number(partition), "account_or_row": row},
                {
                    "keep_ms": self.replica.keep_ns // 1_000_000,
                    "kind": entry.kind,
                    "id": entry.subject,
                    "generation": entry.generation,
                    "revocation_id": entry.revocation_id,
                    "at_ms": entry.at_ms,
                },
            )
            if restored:
                _log.warning("revocation_given_back", kind=entry.kind, partition=partition)

    async def _load(self, partitions: list[int]) -> None:
        keep_ms = self.replica.keep_ns // 1_000_000
        for start in range(0, len(partitions), 64):
            chunk = partitions[start : start + 64]
            answers = await asyncio.gather(*(self._load_one(partition, keep_ms) for partition in chunk))
            for partition, (number, entries) in zip(chunk, answers, strict=True):
                self.replica.loaded(partition, number, [parse(text) for text in entries], self.clock.boot_ns())

    async def _load_one(self, partition: int, keep_ms: int) -> tuple[int, list[str]]:
        number, entries = await _LOAD(
            self.store,
            {"revocations": keys.revocations(partition), "number": keys.number(partition)},
            {"keep_ms": keep_ms},
        )
        return number, entries

    def _take(self, channel: str, message: str) -> None:
        partition = _PARTITION_OF_CHANNEL.get(channel)
        if partition is None:
            worker, *ids = message.split(" ")
            self._heard(worker, ids)
            return
        entry = parse(message)
        self.replica.apply(partition, entry, self.clock.boot_ns())
        self._acknowledge(entry)

    # Acknowledgements: one message a loop turn and asker, apart from heartbeats.

    def _acknowledge(self, entry: Entry) -> None:
        if entry.reply_to == "-":
            return
        if not self._to_acknowledge:
            self._spawn(self._send_acknowledgements())
        self._to_acknowledge.setdefault(entry.reply_to, []).append(entry.revocation_id)

    async def _send_acknowledgements(self) -> None:
        batch, self._to_acknowledge = self._to_acknowledge, {}
        for asker, ids in batch.items():
            if asker == self.worker:
                self._heard(self.worker, ids)
                continue
            with contextlib.suppress(StoreAway):
                await self.store.guard(
                    self.store.redis.execute_command("SPUBLISH", keys.acks(asker), " ".join([self.worker, *ids]))
                )

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
