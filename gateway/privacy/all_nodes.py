"""Erasures on every node: each is told in the store, and each node's workers write down what they find there.

What is told are keyed hashes, so all nodes need the same `pseudonyms.key`. A node that was away hears of it when a
worker of its starts.
"""

import asyncio
from typing import Final

import msgspec

from .. import logs
from ..shipping.erasures import Erasure, Erasures, Subject
from ..store import keys
from ..store.client import Store

#: How long the store keeps an erasure, for nodes that were away; as long as events are kept unless told.
_KEEP_MS: Final = 400 * 86_400_000
#: How much later than its time an erasure may come to be seen: another node's clock, a call that took long.
_MARGIN_MS: Final = 600_000
LOOK_SECONDS: Final = 2.0

_log: Final = logs.get("privacy")


class _Told(msgspec.Struct, frozen=True):
    """An erasure as the store has it."""

    id: str
    requested_at_ms: int
    subjects: list[Subject]


class AllNodes:
    """Tells erasures to all nodes, and follows those that others told: call `take_in` every LOOK_SECONDS."""

    def __init__(self, store: Store, erasures: Erasures) -> None:
        self._store = store
        self._erasures = erasures
        self._seen_ms = 0
        #: Entries that could not be read, and have been told.
        self._unreadable: frozenset[str] = frozenset()

    async def tell(self, erasure: Erasure) -> None:
        """Let every node know; may be repeated. Raises StoreAway: then nobody else may have heard of it."""
        told = msgspec.json.encode(_Told(erasure.id, erasure.requested_at_ms, erasure.subjects)).decode()
        await self._store.guard(
            self._store.send("ZADD", keys.ERASURES, erasure.requested_at_ms, told, replicas=self._store.replicas.writes)
        )
        old = self._store.redis.zremrangebyscore(keys.ERASURES, 0, erasure.requested_at_ms - _KEEP_MS)
        await self._store.guard(old)

    async def take_in(self) -> None:
        """Write down the erasures told since the last look that this node does not know. Raises StoreAway, OSError."""
        since_ms = max(0, self._seen_ms - _MARGIN_MS)
        found = await self._store.guard(self._store.redis.zrangebyscore(keys.ERASURES, since_ms, "+inf"))
        if found:
            told = self._readable([str(one) for one in found])
            await asyncio.to_thread(self._write, told)
            self._seen_ms = max([self._seen_ms, *(one.requested_at_ms for one in told)])

    def _readable(self, entries: list[str]) -> list[_Told]:
        """One that cannot be read is told once, and holds up no other."""
        told, unreadable = [], set()
        for text in entries:
            try:
                told.append(msgspec.json.decode(text, type=_Told))
            except ValueError as error:
                unreadable.add(text)
                if text not in self._unreadable:
                    _log.error("erasure_unreadable", key=keys.ERASURES, bytes=len(text), reason=str(error))
        self._unreadable = frozenset(unreadable)
        return told

    def _write(self, told: list[_Told]) -> None:
        known = set(self._erasures.ids())
        for one in told:
            if one.id not in known:
                self._erasures.write(Erasure(id=one.id, requested_at_ms=one.requested_at_ms, subjects=one.subjects))
