"""The way to the store: one redis client a process, short time limits, and one kind of failure.

Every fault (refused, timed out, READONLY, LOADING, wrong password, pool exhausted) is `StoreAway`, never an answer.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ..errors import StoreAway

T = TypeVar("T")

#: Long enough for an fsync on a busy disk, short enough that a page is not kept waiting by a dead store.
TIMEOUT_SECONDS: Final = 2.0
#: Connections a process may hold; a caller waits up to TIMEOUT_SECONDS for one, then the store counts as away.
MAX_CONNECTIONS: Final = 32


class Store:
    """A connection pool to the store at `url` (redis://, rediss:// or unix://)."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = url
        self.timeout_seconds = timeout_seconds
        # A blind retry could run a script twice; callers repeat by idempotency id instead.
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=timeout_seconds,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=True,
        )
        self.redis: Redis = Redis(connection_pool=pool)

    async def guard(self, call: Awaitable[T]) -> T:
        """Await a store call; every fault becomes StoreAway.

        Raises StoreAway. What was sent may still have been carried out.
        """
        before = _cancellations()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                answer = await call
        except (RedisError, OSError, TimeoutError) as fault:
            _heed_cancellation(before)
            raise StoreAway(f"the store did not answer ({type(fault).__name__}); try again") from fault
        _heed_cancellation(before)
        return answer

    def raw_connection(self) -> AbstractConnection:
        """A connection outside the pool, for a subscription; the caller connects and closes it."""
        connection: AbstractConnection = self.redis.connection_pool.make_connection()
        return connection

    async def close(self) -> None:
        """Close every connection."""
        await self.redis.aclose(close_connection_pool=True)


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def _heed_cancellation(before: int) -> None:
    # redis-py sends inside asyncio.wait_for, which before Python 3.12 loses a cancellation that comes as it finishes:
    # one in a hundred, and then a loop that was told to stop goes on for ever.
    if _cancellations() > before:
        raise asyncio.CancelledError
