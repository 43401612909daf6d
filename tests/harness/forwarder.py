"""A TCP forwarder between the workers of one node and their store, with every fault that networks and balancers have.

It knows nothing of either end but one thing: which connections have subscribed, so that bells alone can be held up.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Literal, TypeAlias

Fault: TypeAlias = Literal[
    "none", "delay", "requests held", "answers held", "bells held", "reset", "truncated", "accepted and closed"
]
FAULTS: Final[tuple[Fault, ...]] = (
    "delay",
    "requests held",
    "answers held",
    "bells held",
    "reset",
    "truncated",
    "accepted and closed",
)
_SUBSCRIBES: Final = b"SSUBSCRIBE"
_PIECE: Final = 65_536


class Forwarder:
    """Listens on `url` and passes bytes on to the Unix socket `upstream`.

    What is held stays in its order and comes later, as TCP has it; what is truncated ends in the middle of a reply.
    """

    def __init__(self, upstream: Path, port: int) -> None:
        self.url = f"redis://127.0.0.1:{port}"
        self.delay_seconds = 0.0
        #: How often each fault met a connection: a drill in which none did shows nothing.
        self.met = 0
        self._fault: Fault = "none"
        self._changed = asyncio.Event()
        self._upstream = upstream
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def inflict(self, fault: Fault, *, delay_seconds: float = 0.0) -> None:
        """From now on, until `heal`; `delay_seconds` each way where that is the fault."""
        self._fault, self.delay_seconds = fault, delay_seconds if fault == "delay" else 0.0
        self._change()
        if fault in ("reset", "accepted and closed"):
            for writer in list(self._open.values()):
                self._reset(writer)

    def heal(self) -> None:
        """Let everything pass, and what was held first."""
        self._fault, self.delay_seconds = "none", 0.0
        self._change()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end closes it."""
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        with contextlib.suppress(asyncio.CancelledError):
            await self._pass(reader, writer)
        writer.close()
        self._open.pop(task, None)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._fault == "accepted and closed":
                self.met += 1
                return
            to_read, to_write = await asyncio.open_unix_connection(str(self._upstream))
            connection = _Connection(self)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(connection.pass_requests(reader, to_write))
                    both.create_task(connection.pass_answers(to_read, writer))
            finally:
                to_write.close()
        except* (OSError, asyncio.IncompleteReadError):
            pass

    async def close(self) -> None:
        """Cut every connection."""
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def until_it_may_pass(self, *, answer: bool, subscribed: bool) -> None:
        """Return when a piece of this direction may go on."""
        if self.delay_seconds:
            self.met += 1
            await asyncio.sleep(self.delay_seconds)
        while self._holds(answer=answer, subscribed=subscribed):
            self.met += 1
            self._changed.clear()
            await self._changed.wait()

    def truncates(self) -> bool:
        """Whether an answer is to be cut."""
        return self._fault == "truncated"

    def _holds(self, *, answer: bool, subscribed: bool) -> bool:
        held = {"requests held": not answer, "answers held": answer, "bells held": answer and subscribed}
        return held.get(self._fault, False)

    def _change(self) -> None:
        self._changed.set()

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        self.met += 1
        end = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


class _Connection:
    """Both directions of one connection."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._subscribed = False

    async def pass_requests(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """From the worker to the store."""
        while piece := await source.read(_PIECE):
            self._subscribed = self._subscribed or _SUBSCRIBES in piece
            await self._forwarder.until_it_may_pass(answer=False, subscribed=self._subscribed)
            target.write(piece)
            await target.drain()
        raise ConnectionResetError

    async def pass_answers(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """From the store to the worker."""
        while piece := await source.read(_PIECE):
            await self._forwarder.until_it_may_pass(answer=True, subscribed=self._subscribed)
            if self._forwarder.truncates():
                self._forwarder.met += 1
                target.write(piece[: max(1, len(piece) // 2)])
                await target.drain()
                break
            target.write(piece)
            await target.drain()
        # Either end gone, the other one goes too.
        raise ConnectionResetError


@contextlib.asynccontextmanager
async def forwarder_to(upstream: Path) -> AsyncIterator[Forwarder]:
    """A forwarder that listens until the end of the block."""
    listening = socket.create_server(("127.0.0.1", 0))
    forwarder = Forwarder(upstream, listening.getsockname()[1])
    server = await asyncio.start_server(forwarder.serve, sock=listening, backlog=512)
    try:
        yield forwarder
    finally:
        server.close()
        await forwarder.close()
