"""Signing everybody out: one entry in each partition, and one receipt that covers them all."""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Final

from .. import metrics
from ..clock import Clock
from ..errors import StoreAway
from ..ids import ID_BYTES, new_id, to_text
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from .barrier import Barrier
from .certify import Certifier
from .filed import EVERYBODY, Appended
from .idempotency import bind
from .receipt import Receipt

_REVOKE_EVERYBODY = load(
    Path(__file__).parent / "revoke_everybody.lua",
    keys=("generations", "revocations", "number", "home", "act", "outbox"),
    args=("partition", "revocation_id", "reply_to", "event_id", "reason"),
)
#: Store calls under way at once: fewer than the pool holds, so that checks find a connection.
_AT_ONCE: Final = 16


class EverybodyRevoker:
    """Signs all accounts out, on behalf of the worker `reply_to`, whose feed hears the acknowledgements."""

    def __init__(self, store: Store, clock: Clock, certifier: Certifier, barrier: Barrier, *, reply_to: str) -> None:
        self._store = store
        self._clock = clock
        self._certifier = certifier
        self._barrier = barrier
        self._reply_to = reply_to

    async def revoke(self, *, reason: str, repeat_key: str | None = None) -> Receipt:
        """Sign out every account; sign-ins that were checked before are refused from now on.

        Each partition is atomic, all together are not: while it runs, some are still signed in. With `repeat_key` a
        call that was cut short may be repeated for 24 hours: it goes on where it ended and touches nobody who signed in
        since. Raises Conflict (the key of another act), StoreAway (not confirmed: repeat).
        """
        if repeat_key is not None:
            await bind(self._store, repeat_key, "everybody")
        act = new_id() if repeat_key is None else to_text(sha256(repeat_key.encode()).digest()[:ID_BYTES])
        started_ns = self._clock.boot_ns()
        ids = [f"{partition:02x}.{new_id()}" for partition in range(keys.PARTITIONS)]
        for one in ids:
            self._barrier.open(one)
        try:
            entries: list[Appended] = []
            for start in range(0, keys.PARTITIONS, _AT_ONCE):
                chunk = range(start, min(start + _AT_ONCE, keys.PARTITIONS))
                entries += await asyncio.gather(*(self._append(p, act, ids[p], reason) for p in chunk))
            return await self._certifier.certify(EVERYBODY + act, entries, started_ns=started_ns, reason=reason)
        except StoreAway:
            metrics.REVOCATIONS.labels("unconfirmed").inc()
            raise
        finally:
            for one in ids:
                self._barrier.close(one)

    async def _append(self, partition: int, act: str, revocation_id: str, reason: str) -> Appended:
        try:
            _at_ms, entry = await raise_floor(
                self._store, partition, act, reason=reason, revocation_id=revocation_id, reply_to=self._reply_to
            )
            return entry
        except StoreAway as fault:
            raise StoreAway(
                "not everybody is signed out yet; repeat it with the same Idempotency-Key",
                code="revocation_not_confirmed",
            ) from fault


async def raise_floor(
    store: Store, partition: int, act: str, *, reason: str, revocation_id: str = "-", reply_to: str = "-"
) -> tuple[int, Appended]:
    """Sign out one partition's accounts, and tell of it (once an act); when. Repeatable by `act`. Raises StoreAway."""
    at_ms, run_id, home_age_ms = await _REVOKE_EVERYBODY(
        store,
        {
            "generations": keys.generations(partition),
            "revocations": keys.revocations(partition),
            "number": keys.number(partition),
            "home": keys.home(partition),
            "act": keys.everybody(partition, act),
            "outbox": keys.outbox(partition),
        },
        {
            "partition": f"{partition:02x}",
            "revocation_id": revocation_id,
            "reply_to": reply_to,
            # Told once, not once for each partition.
            "event_id": "" if partition else f"evt_{new_id()}",
            "reason": reason,
        },
        replicas=store.replicas.writes,
    )
    return int(at_ms), Appended(revocation_id, partition, run_id, home_age_ms)
