"""One subscribed connection to a store node: bells in order, and a PING that proves everything before it has come.

A server answers one client in order, so when the PONG is here, everything published before the PING was read has been
received. That holds only as long as a PONG is matched with its own PING: after a timeout the connection is given up.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection

from ..errors import StoreAway
from ..store.faults import away

#: After a stall of this process a time limit is over before the answer, long in the socket, has been read.
_AFTER_STALL_SECONDS: Final = 0.1


class Subscription:
    """A connection that has subscribed; `take` is called with (channel, message) for every bell, in order."""

    def __init__(
        self, connection: AbstractConnection, take: Callable[[str, str], None], *, timeout_seconds: float
    ) -> None:
        #: The run id of the server at the other end; a PONG of another one says nothing.
        self.run_id = ""
        self._take = take
        self._timeout_seconds = timeout_seconds
        self._connection = connection
        self._pongs: deque[asyncio.Future[None]] = deque()

    async def open(self, channels: Sequence[str]) -> None:
        """Connect and subscribe; bells that come before the last confirmation are taken too.

        Raises StoreAway. The caller closes it in any case.
        """
        with _edge():
            await self._connection.connect()
            await self._connection.send_command("INFO", "server", check_health=False)
        self.run_id = _run_id(await self._read(self._timeout_seconds))
        # One command a channel: a Cluster takes no two slots in one.
        commands = self._connection.pack_commands([("SSUBSCRIBE", channel) for channel in channels])
        with _edge():
            await self._connection.send_packed_command(commands, check_health=False)
        confirmed = 0
        while confirmed < len(channels):
            message = await self._read(self._timeout_seconds)
            if message[0] == "ssubscribe":
                confirmed += 1
            else:
                self._dispatch(message)

    async def follow(self) -> None:
        """Take what comes until the connection ends; silence is no end, `ping` finds out what it means.

        Never returns; raises StoreAway.
        """
        while True:
            self._dispatch(await self._read(math.inf))

    async def _read(self, timeout_seconds: float) -> Any:
        with _edge():
            message = await self._connection.read_response(timeout=timeout_seconds)
        if message is None:
            # With a time limit of its own, redis-py answers None instead of raising when it is over.
            raise StoreAway("the store did not answer on the subscription in time")
        return message

    async def ping(self) -> None:
        """Return when everything published before this call has been taken. Raises StoreAway."""
        if not self._connection.is_connected:
            # redis-py would connect again without a word, and nothing is subscribed there.
            raise StoreAway("the subscription ended")
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        try:
            with _edge():
                await self._connection.send_command("PING", check_health=False)
            done, _ = await asyncio.wait({pong}, timeout=self._timeout_seconds)
            if not done:
                done, _ = await asyncio.wait({pong}, timeout=_AFTER_STALL_SECONDS)
            if not done:
                raise StoreAway("no PONG came on the subscription")
            pong.result()
        except BaseException:
            # A PONG that may still come must not answer a later PING.
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect; whoever waits for a PONG hears StoreAway. Idempotent."""
        for pong in self._pongs:
            if not pong.done():
                pong.set_exception(StoreAway("the subscription ended"))
                # Marked as seen: its waiter may have been cancelled.
                pong.exception()
        self._pongs.clear()
        with contextlib.suppress(Exception):
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


@contextlib.contextmanager
def _edge() -> Iterator[None]:
    try:
        yield
    except Exception as fault:
        raise away(fault) from (fault.__cause__ if isinstance(fault, StoreAway) else fault)


def _run_id(info: object) -> str:
    for line in info.splitlines() if isinstance(info, str) else ():
        if line.startswith("run_id:"):
            return line.removeprefix("run_id:").strip()
    raise StoreAway("the store did not say who it is")
