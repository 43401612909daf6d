"""Erasures on every node: each is told in the store, and each node's workers write down what they find there.

What is told are keyed hashes, so all nodes need the same `pseudonyms.key`. A node that was away hears of it when a
worker of its starts.
"""

import asyncio
from pathlib import Path
from typing import Final, cast

import msgspec

from .. import logs
from ..shipping.erasures import Erasure, Erasures, Subject
from ..store import keys
from ..store.client import Store
from ..store.scripts import load

_TELL: Final = load(Path(__file__).parent / "tell_erasure.lua", keys=("erasures",), args=("told", "keep_ms"))
#: How long the store keeps an erasure, for nodes that were away; as long as events are kept unless told.
_KEEP_MS: Final = 400 * 86_400_000
#: How much later than the time it stands under an erasure may come to be seen: a call that took long.
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
        #: The requests this process has written down or found, by id: their time.
        self._written: dict[str, int] = {}
        #: Entries that could not be read, and have been told.
        self._unreadable: frozenset[str] = frozenset()

    async def tell(self, erasure: Erasure) -> None:
        """Let every node know; may be repeated. Raises StoreAway: then nobody else may have heard of it.

        It stands in the store under the time at which it was told, by the store's clock: a node reads what was told
        since its last look, and would miss one that is told late, or by a node whose clock is behind.
        """
        told = msgspec.json.encode(_Told(erasure.id, erasure.requested_at_ms, erasure.subjects)).decode()
        await _TELL(
            self._store,
            {"erasures": keys.ERASURES},
            {"told": told, "keep_ms": _KEEP_MS},
            replicas=self._store.replicas.writes,
        )

    async def take_in(self) -> None:
        """Write down the erasures told since the last look that this node does not know. Raises StoreAway, OSError."""
        since_ms = max(0, self._seen_ms - _MARGIN_MS)
        found = await self._store.guard(
            self._store.redis.zrangebyscore(keys.ERASURES, since_ms, "+inf", withscores=True)
        )
        if found:
            entries = cast("list[tuple[str, float]]", found)
            told = self._readable([text for text, _ in entries])
            await asyncio.to_thread(self._write, told)
            self._seen_ms = max(self._seen_ms, *(int(told_ms) for _, told_ms in entries))

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
        for one in told:
            # One that is told again with a later time was asked again.
            if self._written.get(one.id, 0) < one.requested_at_ms:
                self._erasures.ask(one.id, one.subjects, requested_at_ms=one.requested_at_ms)
                self._written[one.id] = one.requested_at_ms
