"""Where each partition's outbox ends: one look for all hooks, so an idle hook costs the store nothing."""

from ..store import keys
from ..store.client import Store
from .event import Position, position


class Outbox:
    """The outboxes of all partitions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ends(self) -> list[Position]:
        """The position of the last event of each partition; (0, 0) where there is none. Raises StoreAway.

        256 look-ups cost the store about half a millisecond of CPU.
        """
        pipe = self._store.redis.pipeline(transaction=False)
        for partition in range(keys.PARTITIONS):
            pipe.xrevrange(keys.outbox(partition), count=1)
        found = await self._store.guard(pipe.execute())
        return [position(entries[0][0]) if entries else (0, 0) for entries in found]
