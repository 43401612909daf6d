"""A pool that hands out no connection which its server has reset: nothing was sent on it, so another one is made."""

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection


class Pool(BlockingConnectionPool):
    """redis-py looks for data and for the end of the stream; a connection that was reset shows neither.

    Then each connection of the pool costs one call that fails when it is sent: 29 of 30 sign-ins after a firewall had
    dropped the idle connections. A connection that is reset after it was handed out is no case for another try: what
    was sent may have been carried out.
    """

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        """See redis-py; called before a connection is handed out."""
        writer = connection._writer  # noqa: SLF001 - there is no public way to ask; test_pool.py holds it
        if writer is not None and writer.is_closing():
            await connection.disconnect(nowait=True)
        await super().ensure_connection(connection)
