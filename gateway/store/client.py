"""The way to the store: a pool of connections a server, short time limits, and one kind of failure.

Every fault (refused, timed out, READONLY, LOADING, wrong password, pool exhausted) is `StoreAway`, never an answer.
"""

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import MovedError

from ..errors import StoreAway, TooFewReplicas
from . import topology
from .address import Place, parse
from .faults import away
from .keys import PARTITIONS
from .pool import Pool
from .routed import Routed, partition_of_words

T = TypeVar("T")

#: Long enough for an fsync on a busy disk, short enough that a page is not kept waiting by a dead store.
TIMEOUT_SECONDS: Final = 2.0
#: Connections a process may hold to one server; a caller waits up to TIMEOUT_SECONDS for one, then the store counts as
#: away.
MAX_CONNECTIONS: Final = 32
#: A fault makes the next call ask where the store is now, at most this often.
_LOOK_AGAIN_SECONDS: Final = 0.3
#: Sentinels and Clusters are asked this often without a fault, too: somebody may have added a replica.
_REFRESH_SECONDS: Final = 30.0
#: As many replicas as the Sentinels or the Cluster know of the server, one at least.
ALL: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many replicas must have what was written: `checks` before a worker trusts a server's answer, `writes` before
    a revocation or sign-in is told to anybody. Together at least as many as each server has (docs/revocation.md).

    With fewer writes than replicas a fail-over may lose what was confirmed; `may_lose` says that this is intended.
    """

    checks: int = 0
    writes: int = 0
    may_lose: bool = False


class Node:
    """One server and the pool of connections to it; `place` is None where the URL itself says how to connect.

    `replicas` is how many it is known to have, those that are down included; 0 where nobody says so.
    """

    def __init__(self, place: Place | None, options: dict[str, Any], timeout_seconds: float) -> None:
        self.place = place
        self.replicas = 0
        # A blind retry could run a script twice; callers repeat by idempotency id instead.
        where: dict[str, Any] = {} if place is None else {"host": place[0], "port": place[1]}
        usual: dict[str, Any] = {
            "connection_class": Connection,
            "socket_timeout": timeout_seconds,
            "socket_connect_timeout": timeout_seconds,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "decode_responses": True,
            # Somebody else's key may have any name.
            "encoding_errors": "replace",
        }
        pool = Pool(**{**usual, **options, **where, "max_connections": MAX_CONNECTIONS, "timeout": timeout_seconds})
        self.redis: Redis = Redis(connection_pool=pool)

    async def close(self) -> None:
        """Close every connection, also those in use: their calls fail."""
        with contextlib.suppress(Exception):
            # What a connection says while it is closed is nobody's business any more.
            await self.redis.aclose(close_connection_pool=True)


class Store:
    """The store at `url` (see address.py): its servers, found when first needed and again after a fault.

    `redis` sends each command to the server of its key's partition.
    """

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS, replicas: Replicas | None = None) -> None:
        self.url = url
        self.timeout_seconds = timeout_seconds
        self.replicas = replicas or Replicas()
        self._address = parse(url)
        self._nodes: dict[Place | None, Node] = {}
        #: The server of each partition; empty until it is known.
        self._of: tuple[Node, ...] = ()
        self._is_suspect = False
        self._looked_at = -_LOOK_AGAIN_SECONDS
        self._look: asyncio.Task[None] | None = None
        #: Why the last look found nothing.
        self._not_found = StoreAway()
        if self._address.kind == "one":
            self._place((None,) * PARTITIONS)
        self.redis: Redis = Routed(self.node_of, self.send)

    async def node_of(self, partition: int) -> Node:
        """The server of a partition, as far as is known. Raises StoreAway if it never was."""
        if self._address.kind != "one" and (self._is_suspect or not self._of):
            await self._look_again()
        elif self._address.kind != "one" and asyncio.get_running_loop().time() - self._looked_at >= _REFRESH_SECONDS:
            self._begin_to_look()
        return self._of[partition]

    @property
    def is_replaceable(self) -> bool:
        """Whether Sentinels or a Cluster may put another server in a server's place."""
        return self._address.kind != "one"

    async def raw_connection(self, partition: int) -> AbstractConnection:
        """A connection to the partition's server outside the pool, for a subscription; the caller opens and closes it.

        Raises StoreAway.
        """
        try:
            node = await self.node_of(partition)
            connection: AbstractConnection = node.redis.connection_pool.make_connection()
        except Exception as fault:
            raise away(fault) from (fault.__cause__ if isinstance(fault, StoreAway) else fault)
        return connection

    async def shares(self) -> tuple[tuple[int, ...], ...]:
        """The partitions of each server, lowest first: what one connection follows. Raises StoreAway."""
        await self.node_of(0)
        held: dict[Node, list[int]] = {}
        for partition, node in enumerate(self._of):
            held.setdefault(node, []).append(partition)
        return tuple(tuple(partitions) for partitions in held.values())

    async def guard(self, call: Awaitable[T]) -> T:
        """Await a store call; every fault becomes StoreAway (faults.py).

        Raises StoreAway. What was sent may still have been carried out.
        """
        before = _cancellations()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                answer = await call
        except TooFewReplicas:
            self.suspect()
            _heed_cancellation(before)
            raise
        except Exception as fault:
            self.suspect()
            _heed_cancellation(before)
            raise away(fault) from (fault.__cause__ if isinstance(fault, StoreAway) else fault)
        _heed_cancellation(before)
        return answer

    async def send(self, *words: Any, replicas: int = 0, **options: Any) -> Any:
        """Send one command; with `replicas`, a writing one, and return when that many have confirmed it too.

        Raises what redis-py raises, and TooFewReplicas; for `guard`.
        """
        partition = partition_of_words(words)
        for is_last in (False, True):
            node = await self.node_of(partition)
            try:
                if replicas:
                    return await self._send_confirmed(node, words, replicas)
                return await node.redis.execute_command(*words, **options)
            except MovedError:
                # It was not carried out there.
                self._looked_at = -_LOOK_AGAIN_SECONDS
                self.suspect()
                if is_last:
                    raise
        raise AssertionError("unreachable")

    async def _send_confirmed(self, node: Node, words: tuple[Any, ...], replicas: int) -> Any:
        # WAIT counts the writes of its own connection, so both go out on one.
        needed = max(node.replicas, 1) if replicas >= ALL else replicas
        pipe = node.redis.pipeline(transaction=False)
        pipe.execute_command(*words)
        pipe.execute_command("WAIT", needed, round(self.timeout_seconds * 500))
        answer, have = await pipe.execute(raise_on_error=False)
        for one in (answer, have):
            if isinstance(one, Exception):
                raise one
        if have < needed:
            raise TooFewReplicas(have, needed)
        return answer

    def suspect(self) -> None:
        """Something speaks against what is known of the servers: ask again before the next call."""
        self._is_suspect = True

    async def close(self) -> None:
        """Close every connection."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)
        await self.redis.aclose()
        for node in self._nodes.values():
            await node.close()

    async def _look_again(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._look is None or (self._look.done() and now - self._looked_at >= _LOOK_AGAIN_SECONDS):
            self._begin_to_look()
        assert self._look is not None
        await asyncio.wait({self._look})
        if not self._of:
            raise StoreAway(str(self._not_found)) from self._not_found.__cause__

    def _begin_to_look(self) -> None:
        if self._look is None or self._look.done():
            self._looked_at = asyncio.get_running_loop().time()
            self._look = asyncio.create_task(self._find())

    async def _find(self) -> None:
        known = [place for place in self._nodes if place is not None]
        try:
            found = await topology.find(self._address, known)
            self._place(found.places)
        except Exception as fault:
            # Nobody but the next call asks what became of this task.
            self._not_found = away(fault)
            return
        self._is_suspect = False
        for owner, replicas in found.replicas.items():
            if owner in self._nodes:
                self._nodes[owner].replicas = replicas
        for place in self._nodes.keys() - set(found.places):
            await self._nodes.pop(place).close()

    def _place(self, places: tuple[Place | None, ...]) -> None:
        for place in set(places) - self._nodes.keys():
            self._nodes[place] = Node(place, self._address.options, self.timeout_seconds)
        self._of = tuple(self._nodes[place] for place in places)


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def _heed_cancellation(before: int) -> None:
    # redis-py sends inside asyncio.wait_for, which before Python 3.12 loses a cancellation that comes as it finishes:
    # one in a hundred, and then a loop that was told to stop goes on for ever.
    if _cancellations() > before:
        raise asyncio.CancelledError
