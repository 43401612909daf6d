"""Looking through the names of a partition's keys, some hundreds at a time."""

from collections.abc import AsyncIterator
from typing import Final

from . import keys
from .client import Store

_AT_ONCE: Final = 500


async def names_in(store: Store, partition: int, pattern: str) -> AsyncIterator[list[str]]:
    """The names of the partition's keys that fit a glob pattern behind its prefix.

    Each that is there all the while comes at least once. Looks through every key of its server, a second for a million.
    Raises StoreAway.
    """
    cursor = 0
    while True:
        node = await store.node_of(partition)
        scanned = node.redis.scan(cursor, match=f"{keys.prefix(partition)}{pattern}", count=_AT_ONCE)
        cursor, names = await store.guard(scanned)
        yield [str(name) for name in names]
        if not cursor:
            return
