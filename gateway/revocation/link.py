"""Following one store server: a subscribed connection, the streams behind it, and a heartbeat that renews the fence.

The order is the whole argument (docs/revocation.md): subscribe, register, load, then trust. A heartbeat first runs a
writing script, then sends PING on the subscribed connection; a server answers one client in order, so at the PONG
everything published before the script has been received and applied, and the fence holds from the script's sending.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from .. import logs, metrics
from ..background import Background, Turns
from ..errors import StoreAway
from ..store import keys
from .fence import Fence, clocks_agree
from .following import Following, NotFollowing
from .give_back import give_back
from .loading import load_partitions
from .pulse import Answer, History, Pulse
from .subscription import Subscription
from .tasks import Tasks

_PARTITION_OF_CHANNEL: Final = {keys.revocations(p): p for p in range(keys.PARTITIONS)}
#: A subscription or a heartbeat that was not well for so long is overdue; both have time limits of two seconds.
_WITHIN_SECONDS: Final = 8.0
_REMEDY: Final = "this worker does not follow revocations and asks the store at each check; restart it if this lasts"

_log = logs.get("revocation")


class Link:
    """The link to the server that holds `partitions` (lowest first). `start` it; `close` it, and nothing is trusted."""

    def __init__(self, following: Following, partitions: tuple[int, ...], *, is_first: bool = True) -> None:
        self.partitions = partitions
        self.fence = Fence(following.fence_seconds)
        self.epoch = 0
        self.epoch_stamp_ms = 0
        self.run_id = ""
        #: From when on (boot time) this server alone could confirm anything, as far as this worker knows: 0 is ever
        #: since, None is not yet.
        self.settled_ns: int | None = None
        #: Whether everything was loaded at least once; before that nothing can be vouched for.
        self.loaded = False
        #: Whether the server left the last heartbeat without an answer.
        self.store_away = False
        #: What the last pulse told of the server.
        self.history = History()
        #: Of the registry, as the last pulse told it; 0 on a server that does not hold it.
        self.registry_version = 0
        self.lease_max_ms = 0  # of the deployment, as the last pulse told it
        #: `watched_since_ms` of the clock by which the streams were last read.
        self._loaded_by_ms = 0
        self._f = following
        self._holds_registry = partitions[0] == 0
        self._pulses = Pulse(
            following.store,
            following.clock,
            following.worker,
            following.vouch if self._holds_registry else None,
            lowest=partitions[0],
        )
        self._own = frozenset(partitions)
        self._is_first = is_first
        self._subscription: Subscription | None = None
        self._background = Background(following.clock, following.work)
        self._beats = Tasks()
        self._following_turns: Turns | None = None
        self._beating_turns: Turns | None = None
        self._beat: asyncio.Task[None] | None = None
        self._clocks_differ = False
        if self._holds_registry:
            following.registry_fence = self.fence

    def start(self) -> None:
        """Begin to follow in the background; does not need the store to be there."""
        keep = partial(self._background.hold, every_seconds=0, within_seconds=_WITHIN_SECONDS, remedy=_REMEDY)
        self._following_turns = keep("follow", self._follow)
        self._beating_turns = keep("heartbeat", self._beat_for_ever)

    async def close(self) -> None:
        """Trust nothing any more, and stop following."""
        self.fence.drop()
        self.loaded = False
        await self._background.close()
        await self._beats.close()

    def holds(self) -> bool:
        """Whether what is known of these partitions is fresh enough to accept a lease without the store."""
        return self.fence.until_ns > self._f.clock.boot_ns()

    def store_ms(self) -> int:
        """The server's time now, or 0 if it was never heard."""
        return self.fence.store_ms(self._f.clock.boot_ns())

    def server_ms(self) -> int:
        """The server's time by its last pulse, whether or not the fence was renewed; 0 if there was none."""
        return self._pulses.expected_ms()

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
            self._beat = self._beats.spawn(self._heartbeat())
            self._beat.add_done_callback(self._beaten)
        await asyncio.wait({self._beat})
        return self.holds()

    # The two loops.

    async def _follow(self, _turns: Turns) -> None:
        """Hold one connection until it breaks; heartbeats prove that it is well."""
        channels = [keys.revocations(partition) for partition in self.partitions]
        if self._holds_registry:
            channels.append(keys.acks(self._f.worker))
        began_ns = self._f.clock.boot_ns()
        subscription = None
        try:
            connection = await self._f.store.raw_connection(self.partitions[0])
            subscription = Subscription(connection, self._take, timeout_seconds=self._f.store.timeout_seconds)
            self._f.replica.forget_numbers(self._own)
            await subscription.open(channels)
            self._subscription = subscription
            await subscription.follow()
        except StoreAway as fault:
            # The fence stands: it says how old the knowledge is, and a lost connection does not age it.
            _log.debug("feed_lost", fault=type(fault.__cause__ or fault).__name__)
            self._f.store.suspect()
        finally:
            self._subscription = None
            if subscription is not None:
                await subscription.close()
        # One that had stood for a while is made again at once; who revokes meanwhile waits for us.
        if self._f.clock.boot_ns() - began_ns < self._f.heartbeat_seconds * 1e9:
            await asyncio.sleep(self._f.heartbeat_seconds)

    async def _beat_for_ever(self, _turns: Turns) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(self._f.heartbeat_seconds)
            if self._is_quiet():
                await asyncio.sleep(self._f.heartbeat_seconds)

    def _is_quiet(self) -> bool:
        # One heartbeat is left out if half of the fence is still to come after that: it halves what heartbeats cost.
        left_seconds = (self.fence.until_ns - self._f.clock.boot_ns()) / 1e9 - self._f.heartbeat_seconds
        is_settled = self._subscription is not None and not self._f.row_changed
        return is_settled and left_seconds * 2 >= self._f.fence_seconds and not self._f.replica.behind & self._own

    def _beaten(self, beat: asyncio.Task[None]) -> None:
        if beat.cancelled():
            return
        fault = beat.exception()
        self._note_turns(fault)
        away = fault is not None and not isinstance(fault, NotFollowing)
        if away and not self.store_away and self.loaded:
            _log.warning("store_away", fault=repr(fault))
        elif self.store_away and not away:
            _log.info("store_back", worker=self._f.worker)
        self.store_away = away

    def _note_turns(self, fault: BaseException | None) -> None:
        beating, following = self._beating_turns, self._following_turns
        if beating is None or following is None:
            return
        if fault is None:
            # The PONG on the subscription came.
            beating.done()
            following.done()
        elif isinstance(fault, NotFollowing):
            # The store answers, and what comes on the subscription proves nothing: that is the task that is not well.
            beating.done()
        else:
            beating.failed(fault)
            following.excused()

    async def _heartbeat(self) -> None:
        clock = self._f.clock
        began_ns = clock.boot_ns()
        try:
            await self._beat_once()
        except StoreAway:
            # A process that was stopped for longer than its time limits finds them over and the answers unread: what
            # it holds against the store then is its own stall. One that waited in vain gave up in time.
            if (clock.boot_ns() - began_ns) / 1e9 < self._f.store.timeout_seconds * 1.1:
                raise
        else:
            if self.holds() or self._clocks_differ:
                return
        # Stalled in the middle: what was sent before is too old by now.
        await self._beat_once()

    async def _beat_once(self) -> None:
        subscription = self._subscription
        sent_ns = self._f.clock.boot_ns()
        pulse = await self._pulse(self._f.store.replicas.checks)
        if subscription is None:
            raise NotFollowing("not subscribed to the store")
        if subscription.run_id != pulse.run_id:
            # It goes on delivering what a former primary rings, and that proves nothing about this one.
            await subscription.close()
            raise NotFollowing("the subscription is to another server")
        if pulse.known and self._holds_registry and self._f.row_changed:
            # After the pulse: written before, it would hide that the row was missing.
            await self._f.register()
        is_met = self.settled_ns is not None and (pulse.epoch, pulse.run_id) == (self.epoch, self.run_id)
        if not pulse.known or not is_met:
            sent_ns, pulse = await self._catch_up(subscription, pulse)
        elif pulse.history.watched_since_ms != self._loaded_by_ms:
            # Its clock was set since: what was read by the former time may lack what was revoked before.
            self._loaded_by_ms = pulse.history.watched_since_ms
            self._f.replica.forget_numbers(self._own)
        if behind := self._f.replica.behind & self._own:
            await self._load(subscription, sorted(behind), pulse)
        try:
            await subscription.ping()
        except StoreAway as fault:
            raise NotFollowing(f"the subscription was lost ({type(fault.__cause__ or fault).__name__})") from fault
        if subscription is not self._subscription or self._f.replica.behind & self._own or self.epoch != pulse.epoch:
            raise NotFollowing("something changed during the heartbeat")
        self._renew(sent_ns, pulse.store_ms)

    def _renew(self, sent_ns: int, store_ms: int) -> None:
        if not clocks_agree(store_ms, self._f.clock.wall_ms()):
            self.fence.drop()
            if not self._clocks_differ:
                _log.error("clock_disagrees", store_ms=store_ms, wall_ms=self._f.clock.wall_ms())
            self._clocks_differ = True
            return
        self._clocks_differ = False
        if self._holds_registry:
            self.fence.renew(sent_ns, store_ms)
        elif not 0 < self._f.registered_ns <= sent_ns:
            # Who revokes reads the registry: nobody waits for a worker that was not in it when this was sent.
            raise NotFollowing("not registered yet")
        else:
            self.fence.renew(sent_ns, store_ms, not_after_ns=self._f.registry_fence.contact_ns)
        if not self.loaded:
            self.loaded = True
            _log.info("following", worker=self._f.worker, epoch=self.epoch)

    async def _pulse(self, replicas: int) -> Answer:
        answer = await self._pulses.send(replicas=replicas)
        self.history, self.registry_version = answer.history, answer.registry_version
        self.lease_max_ms = answer.lease_max_ms
        # The longest leases of the deployment may not be this worker's own; the figure only grows.
        self._f.replica.keep_ns = max(self._f.replica.keep_ns, 2 * answer.lease_max_ms * 1_000_000)
        return answer

    async def _catch_up(self, subscription: Subscription, seen: Answer) -> tuple[int, Answer]:
        # Fence, register, give back what the store may have lost, load everything; only then trust again.
        is_another = bool(self.epoch) and (seen.epoch, seen.run_id) != (self.epoch, self.run_id)
        self.fence.drop()
        self.settled_ns = None
        self._f.replica.forget_numbers(self._own)
        if self._holds_registry:
            self._f.registered_ns = 0
            await self._f.register()
        if is_another or not self._is_first:
            await give_back(self._f.store, self._f.replica, self._own)
        self._loaded_by_ms = seen.history.watched_since_ms
        await self._load(subscription, self.partitions, seen)
        sent_ns = self._f.clock.boot_ns()
        # As durable as a revocation: the row, what was given back, and that these replicas follow this server.
        pulse = await self._pulse(max(self._f.store.replicas.checks, self._f.store.replicas.writes))
        if not pulse.known or (pulse.epoch, pulse.run_id) != (seen.epoch, seen.run_id):
            raise NotFollowing("the server changed while it was being loaded")
        if pulse.history.watched_since_ms != self._loaded_by_ms:
            raise NotFollowing("the server's clock was set while it was being loaded")
        self.epoch, self.run_id, self.epoch_stamp_ms = seen.epoch, seen.run_id, seen.stamp_ms
        now_ns = self._f.clock.boot_ns()
        self.settled_ns = now_ns if is_another or not self._is_first or seen.stamp_ms else 0
        if self._holds_registry:
            self._f.registered_ns = now_ns
        return sent_ns, pulse

    async def _load(self, subscription: Subscription, partitions: Sequence[int], pulse: Answer) -> None:
        stands = lambda: subscription is self._subscription  # noqa: E731 - bound, not named
        await load_partitions(self._f, partitions, stands, run_id=subscription.run_id, pulse=pulse)

    def _take(self, channel: str, message: str) -> None:
        partition = _PARTITION_OF_CHANNEL.get(channel)
        if partition is None:
            worker, *ids = message.split(" ")
            self._f.heard(worker, ids)
            return
        now_ns = self._f.clock.boot_ns()
        if (entry := self._f.doubts.read(partition, message, now_ns)) is None:
            return
        if self._f.replica.apply(partition, entry, now_ns):
            metrics.revocation_applied(at_ms=entry.at_ms, store_ms=self.store_ms())
        self._f.acknowledgements.note(entry)
