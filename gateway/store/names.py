"""Looking through the names of keys, some hundreds at a time, on every server there is."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from redis.exceptions import ResponseError

from ..errors import StoreAway
from . import keys
from .client import Store
from .faults import away

_AT_ONCE: Final = 500
_TAGS: Final = frozenset(keys.TAGS)


async def names_in(store: Store, partition: int, pattern: str) -> AsyncIterator[list[str]]:
    """The names of the partition's keys that fit a glob pattern behind its prefix.

    Each that is there all the while comes at least once. Looks through every key of its server, a second for a million.
    Raises StoreAway.
    """
    async for names in _scanned(store, partition, f"{keys.prefix(partition)}{pattern}"):
        yield names


async def names_everywhere(store: Store, pattern: str, *, at_once: int = _AT_ONCE) -> AsyncIterator[list[str]]:
    """The same over all servers, of whole names that fit."""
    for partitions in await store.shares():
        async for names in _scanned(store, partitions[0], pattern, at_once):
            yield names


async def ours_everywhere(store: Store, kind: str) -> AsyncIterator[list[str]]:
    """The names `{tag}:<kind>:<id>` on all servers; somebody else's keys in the same store are passed over."""
    async for names in names_everywhere(store, f"{{???}}:{kind}:*"):
        yield [name for name in names if is_ours(name, kind)]


def is_ours(name: str, kind: str) -> bool:
    """Whether a key is of this kind, and in one of our partitions."""
    tag, brace, rest = name.removeprefix("{").partition("}")
    return name.startswith("{") and bool(brace) and tag in _TAGS and rest.startswith(f":{kind}:")


async def keys_everywhere(store: Store) -> int:
    """How many keys all servers hold, ours and others'. Raises StoreAway."""
    total = 0
    for partitions in await store.shares():
        node = await store.node_of(partitions[0])
        total += int(await store.guard(node.redis.dbsize()))
    return total


async def hashes(store: Store, names: Sequence[str]) -> list[dict[str, str]]:
    """The hash of each name in one round trip a server; empty for one that is gone, or is no hash. Raises StoreAway."""
    if not names:
        return []
    pipe = store.redis.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(name)
    found: list[dict[str, str] | Exception] = await store.guard(pipe.execute(raise_on_error=False))
    return [one if isinstance(one, dict) else _none(one) for one in found]


def _none(fault: object) -> dict[str, str]:
    # Somebody else's key under one of our names.
    if isinstance(fault, ResponseError) and "WRONGTYPE" in f"{getattr(fault, 'status_code', '')} {fault}":
        return {}
    raise away(fault) if isinstance(fault, Exception) else StoreAway("the store answered out of contract")


async def _scanned(store: Store, partition: int, pattern: str, at_once: int = _AT_ONCE) -> AsyncIterator[list[str]]:
    cursor, scanned = 0, None
    while True:
        node = await store.node_of(partition)
        # A cursor says nothing to another server.
        cursor, scanned = (cursor if node is scanned else 0), node
        cursor, names = await store.guard(node.redis.scan(cursor, match=pattern, count=at_once))
        yield [str(name) for name in names]
        if not int(cursor):
            return
