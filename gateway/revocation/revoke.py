"""The act of forgetting: one script, then the barrier, then a receipt that says exactly what is certain."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from redis.exceptions import RedisError

from .. import logs, metrics
from ..clock import Clock
from ..errors import BadRequest, NotFound, StoreAway
from ..ids import Account, new_id
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from ..tokens.log_names import LogNames
from . import receipt, registry
from .barrier import Barrier
from .feed import Feed
from .fence import DRIFT
from .receipt import Missing, Receipt, Registered
from .registry import RollCall

_REVOKE = load(
    Path(__file__).parent / "revoke.lua",
    keys=("account", "devices", "generations", "revocations", "number", "receipt", "outbox", "repeat"),
    args=("prefix", "account", "revocation_id", "reply_to", "event_prefix", "reason"),
)
#: What can be revoked for an account; "disable" signs it out everywhere and lets nobody sign in any more.
Target: TypeAlias = Literal["device", "session", "account", "disable"]

#: What the id of a receipt over all partitions begins with; any other begins with its partition.
EVERYBODY: Final = "everybody."
#: How long a receipt can be asked for, as in revoke.lua.
RECEIPT_MS: Final = 86_400_000

_log = logs.get("revocation")


class Revoker:
    """Revokes on behalf of one running worker, whose feed hears the acknowledgements."""

    def __init__(self, store: Store, clock: Clock, feed: Feed, barrier: Barrier, names: LogNames) -> None:
        self._store = store
        self._clock = clock
        self._feed = feed
        self._barrier = barrier
        self._names = names
        self._durable: bool | None = None

    async def revoke(
        self,
        account: Account,
        targets: Sequence[tuple[Target, str]],
        *,
        reason: str,
        repeat_key: str | None = None,
    ) -> Receipt:
        """Revoke all of `targets` in one act and wait for the receipt (milliseconds; with a silent worker one fence).

        A complete receipt means that no worker on any node accepts them again. With `repeat_key` the call may be
        repeated safely for 24 hours. Raises NotFound (unknown device or session: nothing was changed), BadRequest
        (no target), StoreAway (not confirmed: repeat).
        """
        if not targets:
            raise BadRequest("nothing_to_revoke", "expected at least one device, session or account")
        partition = keys.partition_of(account)
        revocation_id = f"{partition:02x}.{new_id()}"
        started_ns = self._clock.boot_ns()
        self._barrier.open(revocation_id)
        try:
            status, said, at_ms, _entries = await self._append(
                account, partition, revocation_id, targets, reason, repeat_key
            )
            if status == "repeated":
                return await self.find(said)
            if status != "ok":
                # A replica left behind knows nothing of what came since, and may not write: a heartbeat shows it.
                if not await self._feed.refresh() or self._feed.store_away:
                    raise StoreAway
                raise NotFound(status, f"no such {status.removeprefix('unknown_')} on this account")
            self._tell(account, targets, reason)
            return await self.certify(revocation_id, [revocation_id], at_ms=at_ms, started_ns=started_ns, reason=reason)
        except StoreAway:
            metrics.REVOCATIONS.labels("unconfirmed").inc()
            raise
        finally:
            self._barrier.close(revocation_id)

    def _tell(self, account: Account, targets: Sequence[tuple[Target, str]], reason: str) -> None:
        whose = self._names.of("account", account)
        for kind, subject in targets:
            if kind == "session":
                _log.info("session_ended", session=self._names.of(kind, subject), account=whose, reason=reason)
            elif kind == "device":
                _log.info("device_removed", device=self._names.of(kind, subject), account=whose, reason=reason)
            else:
                _log.info("account_signed_out", account=whose, reason=reason)

    async def certify(
        self, receipt_id: str, revocation_ids: Sequence[str], *, at_ms: int, started_ns: int, reason: str
    ) -> Receipt:
        """Wait until every worker has applied all of these, the last of them appended at `at_ms`; file the receipt.

        The barrier must have been open for each since before it was sent. Raises StoreAway (not confirmed: repeat).
        """
        roll = await self._roll_call()
        workers = roll.workers
        names = frozenset(one.worker for one in workers)
        patience = self._longest_fence_ms(roll) / 1000 * DRIFT
        applied = frozenset.intersection(
            *await asyncio.gather(*(self._barrier.wait(one, names, patience) for one in revocation_ids))
        )
        verdict = await self._judge(receipt_id, at_ms, started_ns, roll, applied)
        if verdict.certain_at_ms is not None and not verdict.missing:
            # Everybody has it; only a fail-over's bound or a proxy's cache is left. A short rest is waited for.
            rest_seconds = (verdict.certain_at_ms - await self._store_ms()) / 1000
            if rest_seconds <= patience:
                await asyncio.sleep(max(0, rest_seconds))
                verdict = await self._judge(receipt_id, at_ms, started_ns, roll, applied)
        await self._file(verdict)
        await self._strike_silent(workers, applied, verdict)
        metrics.REVOCATIONS.labels(verdict.status).inc()
        _log.info("revoked", reason=reason, status=verdict.status, applied=verdict.applied, workers=verdict.workers)
        return verdict

    async def find(self, revocation_id: str) -> Receipt:
        """The receipt of an earlier revocation, as of now: a partial one becomes complete when its time has come.

        Raises NotFound (never made, or more than 24 hours ago) and StoreAway.
        """
        partition = _partition(revocation_id)
        filed = await self._store.guard(self._store.redis.hgetall(keys.receipt(partition, revocation_id)))
        if not filed:
            raise NotFound("unknown_revocation", "no revocation of the last 24 hours has this id")
        now_ms = await self._store_ms()
        if "verdict" not in filed:
            # Its revoker died before it could judge: as if every worker had been silent since.
            return await self._judge(
                revocation_id, int(filed["at_ms"]), self._clock.boot_ns(), await self._roll_call(), frozenset()
            )
        verdict = json.loads(filed["verdict"])
        missing = tuple(Missing(**m) for m in verdict["missing"] if m["certain_at_ms"] > now_ms)
        certain_at = verdict["certain_at_ms"]
        complete = certain_at is None or certain_at <= now_ms
        gone = len(verdict["missing"]) - len(missing)
        return Receipt(
            revocation_id,
            "complete" if complete else "partial",
            applied=verdict["applied"],
            workers=verdict["workers"] - gone,
            elapsed_ms=verdict["elapsed_ms"],
            durable=verdict["durable"],
            missing=() if complete else missing,
            certain_at_ms=None if complete else certain_at,
        )

    async def _append(
        self,
        account: Account,
        partition: int,
        revocation_id: str,
        targets: Sequence[tuple[Target, str]],
        reason: str,
        repeat_key: str | None,
    ) -> tuple[str, str, int, int]:
        try:
            answer = await _REVOKE(
                self._store,
                {
                    "account": keys.account(account),
                    "devices": keys.devices(account),
                    "generations": keys.generations(partition),
                    "revocations": keys.revocations(partition),
                    "number": keys.number(partition),
                    "receipt": keys.receipt(partition, revocation_id),
                    "outbox": keys.outbox(partition),
                    "repeat": f"{keys.prefix(partition)}repeat:{account}:{repeat_key or revocation_id}",
                },
                {
                    "prefix": keys.prefix(partition),
                    "account": account,
                    "revocation_id": revocation_id,
                    "reply_to": self._feed.worker,
                    "event_prefix": f"evt_{new_id()}",
                    "reason": reason,
                },
                tuple(word for target in targets for word in target),
            )
        except StoreAway as fault:
            raise StoreAway(
                "the revocation is not confirmed; repeat it with the same Idempotency-Key",
                code="revocation_not_confirmed",
            ) from fault
        return answer[0], answer[1], int(answer[2]), int(answer[3])

    async def _judge(
        self,
        revocation_id: str,
        at_ms: int,
        started_ns: int,
        roll: RollCall,
        applied: frozenset[str],
    ) -> Receipt:
        return receipt.write(
            revocation_id,
            at_ms=at_ms,
            now_ms=await self._store_ms(),
            elapsed_ms=(self._clock.boot_ns() - started_ns) / 1e6,
            durable=await self._is_durable(),
            workers=roll.workers,
            applied=applied,
            not_before_ms=self._not_before_ms(roll, durable=await self._is_durable()),
        )

    async def _roll_call(self) -> RollCall:
        try:
            return await registry.roll_call(self._store)
        except StoreAway as fault:
            raise StoreAway(
                "revoked, but not confirmed by the workers; repeat it to learn more", code="revocation_not_confirmed"
            ) from fault

    def _not_before_ms(self, roll: RollCall, *, durable: bool) -> int:
        # A restart or fail-over may have lost rows and pulses, and with them whom this receipt should wait for. Whoever
        # trusts an answer of before the stamp is over one fence after it, or one bridged outage; and by then workers
        # have given back what the store lost. Rows of a durable store are not lost: there nobody bridges unseen.
        if not roll.stamp_ms:
            return 0
        if durable:
            return roll.stamp_ms + round(self._longest_fence_ms(roll) * DRIFT)
        rows = [self._feed.row(), *(one.row for one in roll.workers)]
        return max(row.certain_at_ms(roll.stamp_ms, roll.stamp_ms) for row in rows)

    def _longest_fence_ms(self, roll: RollCall) -> int:
        # Its own too: the registry may have lost every row.
        return max([self._feed.row().fence_ms, *(one.row.fence_ms for one in roll.workers)])

    async def _store_ms(self) -> int:
        seconds, micros = await self._store.guard(self._store.redis.time())
        return int(seconds * 1000 + micros // 1000)

    async def _file(self, verdict: Receipt) -> None:
        key = keys.receipt(_partition(verdict.id), verdict.id)
        pipe = self._store.redis.pipeline(transaction=True)
        pipe.hset(key, "verdict", json.dumps(verdict.as_dict()))
        pipe.pexpire(key, RECEIPT_MS)
        await self._store.guard(pipe.execute())

    async def _strike_silent(self, workers: Sequence[Registered], applied: frozenset[str], verdict: Receipt) -> None:
        waited_for = applied | {m.worker for m in verdict.missing}
        for one in workers:
            if one.worker in waited_for:
                continue
            # Past every limit of its own row since its last pulse, which may be later than this revocation: it can
            # accept nothing, so nobody need wait for it again.
            now_ms = await self._store_ms()
            if one.row.certain_at_ms(now_ms, one.pulse_ms) <= now_ms:
                await registry.strike(self._store, one.worker, pulse_ms=one.pulse_ms)

    async def _is_durable(self) -> bool:
        if self._durable is None:
            try:
                config = await self._store.redis.config_get("appendonly", "appendfsync")
                self._durable = config.get("appendonly") == "yes" and config.get("appendfsync") == "always"
            except RedisError:
                # Managed stores forbid CONFIG: what cannot be seen is not promised.
                self._durable = False
        return self._durable


def _partition(revocation_id: str) -> int:
    if revocation_id.startswith(EVERYBODY):
        return 0
    try:
        return int(revocation_id[:2], 16)
    except ValueError:
        raise NotFound("unknown_revocation", "expected an id as a receipt gave it") from None
