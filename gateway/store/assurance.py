"""What a store server keeps now: asked for each receipt, since settings change while it runs (`CONFIG SET`).

`WAITAOF` counts only if it has been seen to wait: with `appendfsync everysec`, Valkey 9.1 answers it before the disk.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from redis.exceptions import RedisError, ResponseError

from ..errors import StoreAway
from . import keys
from .client import Node, Store

#: How long WAITAOF must have been seen to wait: with `everysec`, all but the first of several in a row take a second.
_WAITED_SECONDS: Final = 0.2
_PROBES: Final = 3
#: A server whose settings cannot be seen is given the longest that is usual.
_UNKNOWN_LAG_MS: Final = 15_000


Disk: TypeAlias = Literal["always", "waits", "unknown"]


@dataclass(frozen=True, slots=True)
class Assurance:
    """`disk`: whether a write is on disk when answered ("always"), can be waited for ("waits"), or neither is known.

    `on_every_replica`: whether what it confirms is on each replica that could take its place.
    `keeps_rows`: whether what it had answered survives its restart, and a fail-over from it.
    `run_id`: whose word this is.
    `learns_ms`: how long the server may go on in ignorance of having been replaced; 0 where nothing could replace it.
    """

    disk: Disk
    on_every_replica: bool
    keeps_rows: bool
    learns_ms: int
    run_id: str


async def inspect(store: Store, partition: int) -> Assurance:
    """Ask the partition's server. Raises StoreAway. Takes up to three seconds where WAITAOF has to be tried."""
    return await Assurances(store).now(partition)


class Assurances:
    """What the servers of a store keep now: one round trip, shared by all who ask in the same moment.

    Whether WAITAOF waits is tried once for each run of a server and its settings.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._looks: dict[Node, _Looks] = {}
        #: By run id and policy of syncing.
        self._wait: dict[tuple[str, str], bool] = {}
        #: Servers seen without a log of what is appended, which must write a whole one before it is one.
        self._without_log: set[str] = set()

    async def now(self, partition: int) -> Assurance:
        """As of a look that began after this call. Raises StoreAway."""
        node = await self._store.node_of(partition)
        looks = self._looks.setdefault(node, _Looks())
        wanted = looks.begun + 1
        async with looks.turn:
            if looks.finished < wanted:
                looks.begun += 1
                began = looks.begun
                try:
                    looks.last = await self._look(node, partition)
                except StoreAway as fault:
                    # Told to all who waited for it: else each would wait anew for a store that hangs.
                    looks.last = fault
                looks.finished = began
            if isinstance(looks.last, StoreAway):
                raise looks.last.with_traceback(None)
            return looks.last

    async def _look(self, node: Node, partition: int) -> Assurance:
        store = self._store
        info = await store.guard(node.redis.info("server", "persistence", "replication", "cluster"))
        config = await settings_of(store, node)
        is_cluster, run_id = bool(info["cluster_enabled"]), str(info["run_id"])
        replicas = max(int(info["connected_slaves"]), node.replicas)
        on_every_replica = store.replicas.writes >= replicas and (store.replicas.writes > 0 or not is_cluster)
        disk = await self._disk(node, partition, info, config)
        return Assurance(
            disk,
            on_every_replica=on_every_replica,
            keeps_rows=disk == "always" and on_every_replica,
            learns_ms=_learns_ms(store, config, is_cluster=is_cluster),
            run_id=run_id,
        )

    async def _disk(self, node: Node, partition: int, info: dict[str, Any], config: dict[str, str]) -> Disk:
        run_id, policy = str(info["run_id"]), config.get("appendfsync", "")
        if not info.get("aof_enabled"):
            self._without_log.add(run_id)
            return "unknown"
        if run_id in self._without_log:
            # Switched on while it runs: what came before is on disk once the whole has been written down.
            if info.get("aof_rewrite_in_progress") or info.get("aof_rewrite_scheduled"):
                return "unknown"
            self._without_log.discard(run_id)
        if policy == "always":
            return "always"
        if (run_id, policy) not in self._wait:
            self._wait[run_id, policy] = await _waits(self._store, node, partition)
        return "waits" if self._wait[run_id, policy] else "unknown"


class _Looks:
    """The looks at one server."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.begun = 0
        self.finished = 0
        self.last: Assurance | StoreAway = StoreAway()


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
