"""A relay between a worker and its store, so that a test can make the way slow or silent while both ends stay well."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path


class Relay:
    """Passes bytes on to the Unix socket `upstream`; listens on `url`, a TCP address of this machine."""

    def __init__(self, upstream: Path, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}"
        #: Added to the way of each piece of an answer. What is under way keeps its order.
        self.delay_seconds = 0.0
        #: While true, connections are taken and so is what is sent on them, and nothing comes back: a blackhole.
        self.silent = False
        self._upstream = upstream
        #: While true, connections are taken and closed again at once, as by a balancer with nothing behind it.
        self.closing = False
        self._open: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._writers)

    def reset(self) -> None:
        """Reset every connection, as a firewall does that has forgotten them: RST, and no end of the stream."""
        for writer in self._writers:
            end = writer.get_extra_info("socket")
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end closes it."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self._writers.add(writer)
        try:
            if self.closing:
                return
            if self.silent:
                await reader.read(-1)
                return
            to_read, to_write = await asyncio.open_unix_connection(str(self._upstream))
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass_on(reader, to_write, answers=False))
                    both.create_task(self._pass_on(to_read, writer, answers=True))
            finally:
                to_write.close()
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._open.discard(task)
            self._writers.discard(writer)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool) -> None:
        while piece := await source.read(65_536):
            if self.silent:
                continue
            if answers and self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            target.write(piece)
            await target.drain()
        # Either end gone, the other one goes too.
        raise ConnectionResetError

    async def close(self) -> None:
        """Cut every connection."""
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


@contextlib.asynccontextmanager
async def relay_to(upstream: Path) -> AsyncIterator[Relay]:
    """A relay that listens until the end of the block."""
    listening = socket.create_server(("127.0.0.1", 0))
    relay = Relay(upstream, listening.getsockname()[1])
    server = await asyncio.start_server(relay.serve, sock=listening, backlog=512)
    try:
        yield relay
    finally:
        server.close()
        await relay.close()
