"""One subscribed connection to a store node: bells in order, and a PING that proves everything before it has come.

A server answers one client in order, so when the PONG is here, everything published before the PING was read has been
received. That holds only as long as a PONG is matched with its own PING: after a timeout the connection is given up.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from ..errors import StoreAway
from ..store.client import Store


class Subscription:
    """A connection that has subscribed; `take` is called with (channel, message) for every bell, in order."""

    def __init__(self, store: Store, take: Callable[[str, str], None]) -> None:
        self._take = take
        self._timeout_seconds = store.timeout_seconds
        self._connection: AbstractConnection = store.raw_connection()
        self._pongs: deque[asyncio.Future[None]] = deque()

    async def open(self, channels: Sequence[str]) -> None:
        """Connect and subscribe; bells that come before the last confirmation are taken too.

        Raises RedisError, OSError or StoreAway.
        """
        await self._connection.connect()
        await self._connection.send_command("SSUBSCRIBE", *channels)
        confirmed = 0
        while confirmed < len(channels):
            message = await self._connection.read_response(timeout=self._timeout_seconds)
            if message[0] == "ssubscribe":
                confirmed += 1
            else:
                self._dispatch(message)

    async def follow(self, silence_seconds: float) -> None:
        """Take what comes, until the connection ends or nothing has come for `silence_seconds`.

        Never returns; raises RedisError, OSError, TimeoutError or StoreAway. A bell nobody understands raises
        ValueError: the store was tampered with.
        """
        while True:
            self._dispatch(await self._connection.read_response(timeout=silence_seconds))

    async def ping(self) -> None:
        """Return when everything published before this call has been taken. Raises TimeoutError, StoreAway, OSError."""
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        try:
            await self._connection.send_command("PING", check_health=False)
            async with asyncio.timeout(self._timeout_seconds):
                await pong
        except BaseException:
            # A PONG that may still come must not answer a later PING.
            await self._connection.disconnect(nowait=True)
            raise

    async def close(self) -> None:
        """Disconnect; whoever waits for a PONG hears StoreAway. Idempotent."""
        for pong in self._pongs:
            if not pong.done():
                pong.set_exception(StoreAway("the subscription ended"))
                # Marked as seen: its waiter may have been cancelled.
                pong.exception()
        self._pongs.clear()
        with contextlib.suppress(RedisError, OSError):
            await self._connection.disconnect(nowait=True)

    def _dispatch(self, message: list[str]) -> None:
        kind = message[0]
        if kind == "smessage":
            self._take(message[1], message[2])
        elif kind == "pong" and self._pongs:
            pong = self._pongs.popleft()
            if not pong.done():
                pong.set_result(None)
        elif kind == "sunsubscribe":
            raise StoreAway("the store moved a partition")
