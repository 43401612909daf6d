"""From an appended entry to a receipt: who is there, who has applied it, and from when it is certain."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from .. import logs, metrics
from ..clock import Clock
from ..errors import NotFound, StoreAway, TooFewReplicas
from ..store import keys
from ..store.assurance import Assurance, inspect, is_on_disk
from ..store.client import Store
from ..store.scripts import load
from . import receipt, registry
from .barrier import Barrier
from .feed import Feed
from .fence import DRIFT
from .receipt import Missing, Receipt, Registered
from .registry import RollCall

_READ_RECEIPT = load(Path(__file__).parent / "read_receipt.lua", keys=("receipt", "home"), args=())
#: What the id of a receipt over all partitions begins with; any other begins with its partition.
EVERYBODY: Final = "everybody."
#: How long a receipt can be asked for, as in revoke.lua.
RECEIPT_MS: Final = 86_400_000
#: Added to a patience, so that it is surely over when judged in whole milliseconds.
_SURELY_SECONDS: Final = 0.005

#: How soon a worker that does not follow yet is asked again.
_LOOK_AGAIN_SECONDS: Final = 0.02

_log = logs.get("revocation")


@dataclass(frozen=True, slots=True)
class Appended:
    """An entry that stands in a stream; by the server with this run id, which has held the partition for
    `home_age_ms`, -1 if it was the first.
    """

    revocation_id: str
    partition: int
    run_id: str
    home_age_ms: int


class Certifier:
    """Makes and finds the receipts of one running worker, whose feed hears the acknowledgements.

    All times of a receipt are by the clock of the server with the registry, advanced by this machine's own.
    """

    def __init__(self, store: Store, clock: Clock, feed: Feed, barrier: Barrier) -> None:
        self._store = store
        self._clock = clock
        self._feed = feed
        self._barrier = barrier
        #: By run id.
        self._assurances: dict[str, Assurance] = {}

    async def certify(self, receipt_id: str, entries: Sequence[Appended], *, started_ns: int, reason: str) -> Receipt:
        """Wait until every worker has applied all of these; file the receipt.

        The barrier must have been open for each since before it was sent. Raises StoreAway (not confirmed: repeat).
        """
        try:
            asked_ns, roll = await self._roll_call()
            answered_ns = self._clock.boot_ns()
            settled_ms = await self._settled_ms(entries, roll, asked_ns)
        except TooFewReplicas:
            raise
        except StoreAway as fault:
            raise StoreAway(
                "revoked, but not confirmed by the workers; repeat it to learn more", code="revocation_not_confirmed"
            ) from fault
        workers = self._judged_by(roll, entries)
        names = frozenset(one.worker for one in workers)
        patience = self._longest_fence_ms(workers) / 1000 * DRIFT + _SURELY_SECONDS
        not_before_ms = await self._not_before_ms(settled_ms, roll)
        heard = asyncio.gather(*(self._barrier.wait(one.revocation_id, names, patience) for one in entries))
        durable = await self._are_on_disk(entries)
        applied = frozenset.intersection(*await heard)

        def judge() -> tuple[int, Receipt]:
            waited_ns = self._clock.boot_ns() - answered_ns
            now_ms = roll.now_ms + waited_ns // 1_000_000
            return now_ms, receipt.write(
                receipt_id,
                at_ms=roll.now_ms,
                now_ms=now_ms,
                elapsed_ms=(self._clock.boot_ns() - started_ns) / 1e6,
                durable=durable,
                workers=workers,
                applied=applied,
                settled_ms=settled_ms,
                not_before_ms=not_before_ms,
            )

        now_ms, verdict = judge()
        if verdict.certain_at_ms is not None and not verdict.missing:
            # Everybody has it; only a fail-over's bound or a proxy's cache is left. A short rest is waited for.
            rest_seconds = (verdict.certain_at_ms - now_ms) / 1000
            if rest_seconds <= 2 * patience:
                await asyncio.sleep(rest_seconds + _SURELY_SECONDS)
                now_ms, verdict = judge()
        await self._file(verdict, now_ms, roll.run_id)
        waited_for = applied | {m.worker for m in verdict.missing}
        await self._strike_silent(
            replace(roll, workers=tuple(one for one in roll.workers if one.worker not in waited_for)),
            now_ms,
            settled_ms,
        )
        metrics.REVOCATIONS.labels(verdict.status).inc()
        _log.info("revoked", reason=reason, status=verdict.status, applied=verdict.applied, workers=verdict.workers)
        return verdict

    async def find(self, receipt_id: str) -> Receipt:
        """An earlier receipt, as of now: a partial one becomes complete when its time has come.

        Raises NotFound (never made, or more than 24 hours ago) and StoreAway.
        """
        partition = _partition(receipt_id)
        now_ms, run_id, home_age_ms, flat = await _READ_RECEIPT(
            self._store,
            {"receipt": keys.receipt(partition, receipt_id), "home": keys.home(partition)},
            {},
            replicas=self._store.replicas.writes,
        )
        filed = dict(zip(flat[::2], flat[1::2], strict=True))
        if not filed:
            raise NotFound("unknown_revocation", "no revocation of the last 24 hours has this id")
        if "verdict" not in filed:
            entry = Appended(receipt_id, partition, run_id, home_age_ms)
            # By the clock of the server that recorded it, or since another one took its place.
            age_ms = now_ms - int(filed["at_ms"]) if filed.get("run_id", run_id) == run_id else home_age_ms
            return await self._unjudged(entry, max(age_ms, 0))
        _asked_ns, roll = await self._roll_call()
        return _as_of(roll, filed)

    async def follows(self, partition: int) -> bool:
        """Whether the partition's server takes a heartbeat that begins now."""
        return await self._feed.refresh(partition) and not self._feed.links[partition].store_away

    async def _unjudged(self, entry: Appended, age_ms: int) -> Receipt:
        # Its revoker died before it could judge: as if every worker had been silent since.
        asked_ns, roll = await self._roll_call()
        settled_ms = await self._settled_ms([entry], roll, asked_ns)
        return receipt.write(
            entry.revocation_id,
            at_ms=roll.now_ms - age_ms,
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
                    roll = await registry.roll_call(self._store)
                    if any(one.worker == self._feed.worker for one in roll.workers):
                        return asked_ns, roll
                    await self._feed.refresh(0)
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        except TimeoutError:
            raise StoreAway("this worker is not in the registry (yet)") from None

    def _judged_by(self, roll: RollCall, entries: Sequence[Appended]) -> tuple[Registered, ...]:
        # A pulse says nothing about what a worker trusts another server for.
        if all(self._feed.links[one.partition] is self._feed.registry_link for one in entries):
            return roll.workers
        return tuple(replace(one, pulse_ms=roll.now_ms) for one in roll.workers)

    async def _settled_ms(self, entries: Sequence[Appended], roll: RollCall, asked_ns: int) -> int:
        """Since when no former server of these partitions, or of the registry, can have renewed a fence; 0 if none was.

        Raises StoreAway.
        """
        registry_age_ms = roll.now_ms - roll.stamp_ms if roll.stamp_ms else -1
        homes = [Appended("", 0, roll.run_id, registry_age_ms), *entries]
        settled_ms = 0
        for one in {home.run_id: home for home in homes}.values():
            settled_ns = await self._met(one)
            if settled_ns:
                settled_ms = max(settled_ms, roll.now_ms - (asked_ns - settled_ns) // 1_000_000)
        for one in homes:
            if one.home_age_ms >= 0:
                learns_ms = (await self._assurance(one.partition, one.run_id)).learns_ms
                settled_ms = max(settled_ms, roll.now_ms - one.home_age_ms + learns_ms)
        return settled_ms

    async def _not_before_ms(self, settled_ms: int, roll: RollCall) -> int:
        # A restart or fail-over may have lost rows and pulses, and with them whom this receipt should wait for. Whoever
        # trusts a former server's answer is over one fence after it settled, or one bridged outage; and by then workers
        # have given back what the store lost. Rows that were on disk, and on replicas, are not lost: there nobody
        # bridges unseen.
        if not settled_ms:
            return 0
        if (await self._assurance(0, roll.run_id)).keeps_rows:
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

    async def _assurance(self, partition: int, run_id: str) -> Assurance:
        known = self._assurances.get(run_id)
        if known is None:
            known = self._assurances[run_id] = await inspect(self._store, partition)
        return known

    async def _are_on_disk(self, entries: Sequence[Appended]) -> bool:
        on_disk = True
        for one in {entry.run_id: entry for entry in entries}.values():
            try:
                assurance = await self._assurance(one.partition, one.run_id)
                on_disk &= assurance.on_every_replica and await is_on_disk(self._store, one.partition, assurance)
            except StoreAway:
                return False
        return on_disk

    async def _file(self, verdict: Receipt, now_ms: int, run_id: str) -> None:
        key = keys.receipt(_partition(verdict.id), verdict.id)
        wait_ms = 0 if verdict.certain_at_ms is None else verdict.certain_at_ms - now_ms
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.hset(key, mapping={"verdict": json.dumps(verdict.as_dict()), "clock": run_id, "wait_ms": wait_ms})
        pipe.pexpire(key, RECEIPT_MS)
        await self._store.guard(pipe.execute())

    async def _strike_silent(self, silent: RollCall, now_ms: int, settled_ms: int) -> None:
        for one in silent.workers:
            # Past every limit of its own row since its last pulse, which may be later than this revocation: it can
            # accept nothing, so nobody need wait for it again.
            if one.row.certain_at_ms(now_ms, one.pulse_ms, settled_ms) <= now_ms:
                await registry.strike(self._store, one.worker, pulse_ms=one.pulse_ms)


def _as_of(roll: RollCall, filed: dict[str, str]) -> Receipt:
    verdict = json.loads(filed["verdict"])
    certain_at = verdict["certain_at_ms"]
    later_ms = 0
    if certain_at is not None and filed.get("clock", roll.run_id) != roll.run_id:
        # Another server has the registry, with another clock: what was left to wait is waited anew since it came.
        later_ms = roll.stamp_ms + int(filed["wait_ms"]) - certain_at
        certain_at += later_ms
    complete = certain_at is None or certain_at <= roll.now_ms
    missing = tuple(
        Missing(m["worker"], m["certain_at_ms"] + later_ms)
        for m in verdict["missing"]
        if m["certain_at_ms"] + later_ms > roll.now_ms
    )
    return Receipt(
        verdict["id"],
        "complete" if complete else "partial",
        applied=verdict["applied"],
        workers=verdict["workers"] - (len(verdict["missing"]) - len(missing)),
        elapsed_ms=verdict["elapsed_ms"],
        durable=verdict["durable"],
        missing=() if complete else missing,
        certain_at_ms=None if complete else certain_at,
    )


def _partition(receipt_id: str) -> int:
    if receipt_id.startswith(EVERYBODY):
        return 0
    try:
        return int(receipt_id[:2], 16)
    except ValueError:
        raise NotFound("unknown_revocation", "expected an id as a receipt gave it") from None
