"""Looking through the names of keys, some hundreds at a time."""

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
    async for names in _scanned(store, partition, f"{keys.prefix(partition)}{pattern}"):
        yield names


async def names_everywhere(store: Store, pattern: str) -> AsyncIterator[list[str]]:
    """The same over all servers, of whole names that fit."""
    for partitions in await store.shares():
        async for names in _scanned(store, partitions[0], pattern):
            yield names


async def _scanned(store: Store, partition: int, pattern: str) -> AsyncIterator[list[str]]:
    cursor = 0
    while True:
        node = await store.node_of(partition)
        cursor, names = await store.guard(node.redis.scan(cursor, match=pattern, count=_AT_ONCE))
        yield [str(name) for name in names]
        if not cursor:
            return
