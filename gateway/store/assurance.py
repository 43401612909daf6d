"""What a store server is known to keep: asked once for each run of it, and held against what it really does.

`WAITAOF` counts only if it has been seen to wait: with `appendfsync everysec`, Valkey 9.1 answers it before the disk.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

from redis.exceptions import RedisError, ResponseError

from . import keys
from .client import Node, Store

#: How long WAITAOF must have been seen to wait: with `everysec`, all but the first of several in a row take a second.
_WAITED_SECONDS: Final = 0.2
_PROBES: Final = 3
#: A server whose settings cannot be seen is given the longest that is usual.
_UNKNOWN_LAG_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class Assurance:
    """`disk`: whether a write is on disk when answered ("always"), can be waited for ("waits"), or neither is known.

    `on_every_replica`: whether what it confirms is on each replica that could take its place.
    `keeps_rows`: whether what it had answered survives its restart, and a fail-over from it.
    `learns_ms`: how long the server may go on in ignorance of having been replaced; 0 where nothing could replace it.
    """

    disk: Literal["always", "waits", "unknown"]
    on_every_replica: bool
    keeps_rows: bool
    learns_ms: int


async def inspect(store: Store, partition: int) -> Assurance:
    """Ask the partition's server. Raises StoreAway. Takes up to three seconds where WAITAOF has to be tried."""
    node = await store.node_of(partition)
    info = await store.guard(node.redis.info("persistence"))
    is_cluster = bool((await store.guard(node.redis.info("cluster")))["cluster_enabled"])
    config = await settings_of(store, node)
    disk: Literal["always", "waits", "unknown"] = "unknown"
    if info.get("aof_enabled"):
        if config.get("appendfsync") == "always":
            disk = "always"
        elif await _waits(store, node, partition):
            disk = "waits"
    replicated = await store.guard(node.redis.info("replication"))
    replicas = max(int(replicated["connected_slaves"]), node.replicas)
    on_every_replica = store.replicas.writes >= replicas and (store.replicas.writes > 0 or not is_cluster)
    return Assurance(
        disk,
        on_every_replica=on_every_replica,
        keeps_rows=disk == "always" and on_every_replica,
        learns_ms=_learns_ms(store, config, is_cluster=is_cluster),
    )


async def settings_of(store: Store, node: Node) -> dict[str, str]:
    """What matters of the server's settings; empty where they are hidden, as managed stores do. Raises StoreAway."""
    names = ("appendfsync", "min-replicas-to-write", "min-replicas-max-lag", "cluster-node-timeout")
    return await store.guard(_config(node, names))


async def is_on_disk(store: Store, partition: int, assurance: Assurance) -> bool:
    """Whether everything that the partition's server has answered by now is on its disk. May wait a second."""
    if assurance.disk != "waits":
        return assurance.disk == "always"
    node = await store.node_of(partition)
    local, _seconds = await store.guard(_written_and_waited(store, node, partition))
    return local >= 1


async def _config(node: Node, names: tuple[str, ...]) -> dict[str, str]:
    try:
        found = await node.redis.config_get(*names)
    except ResponseError:
        return {}
    return {str(name): str(value) for name, value in found.items()}


def _learns_ms(store: Store, config: dict[str, str], *, is_cluster: bool) -> int:
    if is_cluster:
        return int(config.get("cluster-node-timeout", _UNKNOWN_LAG_MS)) + 1_000
    if store.replicas.writes or store.replicas.checks:
        return int(config.get("min-replicas-max-lag", _UNKNOWN_LAG_MS // 1_000)) * 1_000 + 1_000
    return 0


async def _waits(store: Store, node: Node, partition: int) -> bool:
    try:
        tries = [await _written_and_waited(store, node, partition) for _ in range(_PROBES)]
    except (RedisError, OSError, TimeoutError):
        # Unknown before Redis 7.2, forbidden or refused: then it does not count.
        return False
    return all(local >= 1 and seconds >= _WAITED_SECONDS for local, seconds in tries[1:])


async def _written_and_waited(store: Store, node: Node, partition: int) -> tuple[int, float]:
    # WAITAOF counts the writes of its own connection.
    loop = asyncio.get_running_loop()
    pipe = node.redis.pipeline(transaction=False)
    pipe.hset(keys.home(partition), "synced", 1)
    pipe.execute_command("WAITAOF", 1, 0, round(store.timeout_seconds * 750))
    began = loop.time()
    _written, (local, _replicas) = await pipe.execute()
    return local, loop.time() - began
