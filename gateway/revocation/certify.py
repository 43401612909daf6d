"""From an appended entry to a receipt: who is there, who has applied it, and from when it is certain."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from .. import logs, metrics
from ..clock import Clock
from ..errors import StoreAway, TooFewReplicas
from ..store.assurance import Assurance, Assurances, is_on_disk
from ..store.client import Store
from . import filed, receipt, registry
from .barrier import Barrier
from .case import Case
from .feed import Feed
from .fence import DRIFT
from .filed import Appended, Filed
from .pulse import CLOCK_TOLERANCE_MS
from .receipt import Receipt, Registered
from .registry import RollCall
from .tasks import Tasks
from .unreadable import UnreadableRows

#: Added to a patience, so that it is surely over when judged in whole milliseconds.
_SURELY_SECONDS: Final = 0.005

#: How soon a worker that does not follow yet is asked again.
_LOOK_AGAIN_SECONDS: Final = 0.02
#: Partial receipts whose workers are still listened for; what comes on top becomes complete by its time alone.
_LISTENED_FOR: Final = 1_000

_log = logs.get("revocation")


class Certifier:
    """Makes and finds the receipts of one running worker, whose feed hears the acknowledgements. `close` it.

    All times of a receipt are by the clock of the server with the registry, advanced by this machine's own.
    """

    def __init__(self, store: Store, clock: Clock, feed: Feed, barrier: Barrier) -> None:
        self._store = store
        self._clock = clock
        self._feed = feed
        self._barrier = barrier
        self._assurances = Assurances(store)
        self._listening = Tasks()
        self._unreadable = UnreadableRows()

    async def close(self) -> None:
        """Listen for nobody any more."""
        await self._listening.close()

    async def certify(self, receipt_id: str, entries: Sequence[Appended], *, started_ns: int, reason: str) -> Receipt:
        """Wait until every worker has applied all of these; file the receipt.

        A partial one is filed again as complete as soon as the last worker has applied it after all. The barrier must
        have been open for each since before it was sent. Raises StoreAway (not confirmed: repeat).
        """
        case = await self._open_case(receipt_id, entries, started_ns)
        # For one whose fence nobody knows nobody waits here: the receipt is partial until its time is over.
        readable = [one for one in case.workers if one.is_readable]
        patience = self._longest_fence_ms(readable) / 1000 * DRIFT + _SURELY_SECONDS
        applied, durable = await asyncio.gather(self._heard(case, patience), self._are_on_disk(entries))
        boot_ns = self._clock.boot_ns()
        verdict = case.judge(applied, boot_ns, durable=durable)
        if verdict.certain_at_ms is not None and case.names <= applied:
            # Everybody has it; only a fail-over's bound or a proxy's cache is left. A short rest is waited for.
            rest_seconds = (verdict.certain_at_ms - case.now_ms(boot_ns)) / 1000
            if rest_seconds <= 2 * patience:
                await asyncio.sleep(rest_seconds + _SURELY_SECONDS)
                boot_ns = self._clock.boot_ns()
                verdict = case.judge(applied, boot_ns, durable=durable)
        await filed.file(self._store, verdict, case.now_ms(boot_ns), case.roll.clock)
        if not case.names <= applied and verdict.status == "partial":
            self._listen_on(case, durable=durable)
        waited_for = applied | {m.worker for m in verdict.missing}
        await self._strike_silent(
            replace(case.roll, workers=tuple(one for one in case.roll.workers if one.worker not in waited_for)),
            case.now_ms(boot_ns),
            case.settled_ms,
        )
        metrics.REVOCATIONS.labels(verdict.status).inc()
        _log.info("revoked", reason=reason, status=verdict.status, applied=verdict.applied, workers=verdict.workers)
        return verdict

    async def find(self, receipt_id: str) -> Receipt:
        """An earlier receipt, as of now: a partial one becomes complete when its time has come.

        Where nobody judged it, since its revoker died, the workers are asked now (see `again`). Raises NotFound (never
        made, or more than 24 hours ago) and StoreAway.
        """
        found = await filed.read(self._store, receipt_id)
        if not found.is_judged:
            return await self.again(receipt_id)
        _asked_ns, roll = await self._roll_call()
        return found.as_of(roll)

    async def again(self, receipt_id: str) -> Receipt:
        """The receipt of a revocation that was asked for again: complete already, or awaited like the first time.

        Raises NotFound and StoreAway.
        """
        started_ns = self._clock.boot_ns()
        found = await filed.read(self._store, receipt_id)
        if found.is_judged:
            _asked_ns, roll = await self._roll_call()
            if (known := found.as_of(roll)).status == "complete" or receipt_id.startswith(filed.EVERYBODY):
                return known
        # Of an act in slices each is asked for: who has heard the last of them may have missed one before.
        ids = [*found.fields.get("before", "").split(), receipt_id]
        for one in ids:
            self._barrier.open(one)
        try:
            rung = [await filed.ring_again(self._store, one, reply_to=self._feed.worker) for one in ids]
            entries = [entry for entry in rung if entry is not None]
            if len(entries) == len(ids):
                return await self.certify(receipt_id, entries, started_ns=started_ns, reason="repeated")
        finally:
            for one in ids:
                self._barrier.close(one)
        return found.as_of(roll) if found.is_judged else await self._unjudged(found)

    async def follows(self, partition: int) -> bool:
        """Whether the partition's server takes a heartbeat that begins now."""
        return await self._feed.refresh(partition) and not self._feed.links[partition].store_away

    async def _open_case(self, receipt_id: str, entries: Sequence[Appended], started_ns: int) -> Case:
        """Raises StoreAway (not confirmed: repeat)."""
        try:
            asked_ns, roll = await self._roll_call()
            answered_ns = self._clock.boot_ns()
            settled_ms = await self._settled_ms(entries, roll, asked_ns)
            not_before_ms = await self._not_before_ms(settled_ms, roll)
        except TooFewReplicas:
            raise
        except StoreAway as fault:
            raise StoreAway(
                "revoked, but not confirmed by the workers; repeat it to learn more", code="revocation_not_confirmed"
            ) from fault
        workers = self._judged_by(roll, entries)
        return Case(receipt_id, entries, roll, answered_ns, started_ns, workers, settled_ms, not_before_ms)

    async def _heard(self, case: Case, patience_seconds: float) -> frozenset[str]:
        """Who has applied every entry, as soon as all have, or when the patience is over."""
        waits = (self._barrier.wait(one.revocation_id, case.names, patience_seconds) for one in case.entries)
        return frozenset.intersection(*await asyncio.gather(*waits))

    def _listen_on(self, case: Case, *, durable: bool) -> None:
        if len(self._listening) < _LISTENED_FOR:
            for one in case.entries:
                self._barrier.open(one.revocation_id)
            self._listening.spawn(self._listen(case, durable=durable))

    async def _listen(self, case: Case, *, durable: bool) -> None:
        """Wait for the workers that were silent, at most until none of them can accept it any more, and file anew."""
        try:
            certain_at_ms = case.judge(frozenset(), self._clock.boot_ns(), durable=durable).certain_at_ms
            if certain_at_ms is not None:
                left_seconds = (certain_at_ms - case.now_ms(self._clock.boot_ns())) / 1000
                applied = await self._heard(case, max(left_seconds, 0) + _SURELY_SECONDS)
                boot_ns = self._clock.boot_ns()
                verdict = case.judge(applied, boot_ns, durable=durable)
                # Not filed, it becomes complete when its time has come.
                with contextlib.suppress(StoreAway):
                    await filed.file(self._store, verdict, case.now_ms(boot_ns), case.roll.clock)
        finally:
            for one in case.entries:
                self._barrier.close(one.revocation_id)

    async def _unjudged(self, found: Filed) -> Receipt:
        # Recorded by a former release, whose revoker died before it could judge: as if all had been silent since.
        asked_ns, roll = await self._roll_call()
        entry = found.entry
        settled_ms = await self._settled_ms([entry], roll, asked_ns)
        return receipt.write(
            entry.revocation_id,
            at_ms=roll.now_ms - found.age_ms,
            now_ms=roll.now_ms,
            elapsed_ms=0,
            durable=await self._are_on_disk([entry]),
            workers=self._judged_by(roll, [entry]),
            applied=frozenset(),
            settled_ms=settled_ms,
            not_before_ms=await self._not_before_ms(settled_ms, roll),
        )

    async def _roll_call(self) -> tuple[int, RollCall]:
        """When it was asked for (boot time), and the registry; one without this worker itself was lost or emptied."""
        try:
            async with asyncio.timeout(self._store.timeout_seconds):
                while True:
                    asked_ns = self._clock.boot_ns()
                    roll = self._bounded(await registry.roll_call(self._store))
                    if any(one.worker == self._feed.worker for one in roll.workers) and self._is_on_time(roll):
                        return asked_ns, roll
                    await self._feed.refresh(0)
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        except TimeoutError:
            raise StoreAway("this worker is not in the registry (yet)") from None

    def _bounded(self, roll: RollCall) -> RollCall:
        # A replica keeps entries for two of the longest leases.
        lease_max_ms = self._feed.replica.keep_ns // 2_000_000
        return replace(roll, workers=self._unreadable.bounded(roll.workers, self._feed.row(), lease_max_ms))

    def _is_on_time(self, roll: RollCall) -> bool:
        """Whether its times can be trusted: no step of the server's clock that a heartbeat has yet to note."""
        link = self._feed.registry_link
        is_noted = roll.watched_since_ms == link.history.watched_since_ms
        return is_noted and abs(roll.now_ms - link.server_ms()) <= CLOCK_TOLERANCE_MS

    def _judged_by(self, roll: RollCall, entries: Sequence[Appended]) -> tuple[Registered, ...]:
        # A pulse says nothing about what a worker trusts another server for.
        if all(self._feed.links[one.partition] is self._feed.registry_link for one in entries):
            return tuple(replace(one, pulse_ms=roll.silent_since_ms(one)) for one in roll.workers)
        return tuple(replace(one, pulse_ms=roll.now_ms) for one in roll.workers)

    async def _settled_ms(self, entries: Sequence[Appended], roll: RollCall, asked_ns: int) -> int:
        """Since when no former server of these partitions, or of the registry, can have renewed a fence; 0 if none was.

        Raises StoreAway.
        """
        registry_age_ms = max(roll.now_ms - roll.stamp_ms, 0) if roll.stamp_ms else -1
        homes = [Appended("", 0, roll.run_id, registry_age_ms), *entries]
        settled_ms = 0
        for one in {home.run_id: home for home in homes}.values():
            settled_ns = await self._met(one)
            if settled_ns:
                settled_ms = max(settled_ms, roll.now_ms - (asked_ns - settled_ns) // 1_000_000)
        for one in homes:
            if one.home_age_ms >= 0:
                learns_ms = (await self._assurances.now(one.partition)).learns_ms
                settled_ms = max(settled_ms, roll.now_ms - self._surely_ms(one) + learns_ms)
        return settled_ms

    def _surely_ms(self, one: Appended) -> int:
        """How long the server has had it at least: no longer than its clock has been watched, for that may have been
        set meanwhile.
        """
        link = self._feed.links[one.partition]
        return min(one.home_age_ms, max(link.server_ms() - link.history.watched_since_ms, 0))

    async def _not_before_ms(self, settled_ms: int, roll: RollCall) -> int:
        # A restart or fail-over may have lost rows and pulses, and with them whom this receipt should wait for. Whoever
        # trusts a former server's answer is over one fence after it settled, or one bridged outage; and by then workers
        # have given back what the store lost. Rows that were on disk, and on replicas, are not lost: there nobody
        # bridges unseen.
        if not settled_ms:
            return 0
        if (await self._assurances.now(0)).keeps_rows:
            return settled_ms + round(self._longest_fence_ms(roll.workers) * DRIFT)
        rows = [self._feed.row(), *(one.row for one in roll.workers)]
        return max(row.certain_at_ms(settled_ms, settled_ms) for row in rows)

    def _longest_fence_ms(self, workers: Sequence[Registered]) -> int:
        # Its own too: the registry may have lost every row.
        return max([self._feed.row().fence_ms, *(one.row.fence_ms for one in workers)])

    async def _met(self, one: Appended) -> int:
        """Since when (boot time) this worker has followed the server that took the entry; 0 is ever since.

        One that has just come is waited for. Raises StoreAway.
        """
        try:
            async with asyncio.timeout(self._store.timeout_seconds):
                while True:
                    link = self._feed.links[one.partition]
                    if link.settled_ns is not None and link.run_id == one.run_id:
                        return link.settled_ns
                    await self._feed.refresh(one.partition)
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        except TimeoutError:
            raise StoreAway("this worker does not follow the server that answered (yet)") from None

    async def _are_on_disk(self, entries: Sequence[Appended]) -> bool:
        """What the servers that took these do now, not what they did when they were first looked at."""
        on_disk = True
        for one in {entry.run_id: entry for entry in entries}.values():
            try:
                assurance = await self._assurances.now(one.partition)
                on_disk &= assurance.run_id == one.run_id and await self._is_kept(one, assurance)
            except StoreAway:
                return False
        return on_disk

    async def _is_kept(self, one: Appended, assurance: Assurance) -> bool:
        return assurance.on_every_replica and await is_on_disk(self._store, one.partition, assurance)

    async def _strike_silent(self, silent: RollCall, now_ms: int, settled_ms: int) -> None:
        for one in silent.workers:
            # Past every limit of its own row since its last pulse, which may be later than this revocation: it can
            # accept nothing, so nobody need wait for it again.
            if one.row.certain_at_ms(now_ms, silent.silent_since_ms(one), settled_ms) <= now_ms:
                await registry.strike(self._store, one.worker, pulse_ms=one.pulse_ms)
