"""The website as it was before: asked by the bridge, it says whom its session cookie stands for."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from .worker_app import now_ms

COOKIE = "sessionid"


class OldWebsite:
    """Answers on a loopback port; `says` maps a cookie's value to an answer, everybody else gets 401.

    An answer is a status, or what to say with 200, or raw bytes of a body. While `open` is not set, it keeps its
    answers back.
    """

    def __init__(self) -> None:
        self.url = ""
        self.says: dict[str, int | dict[str, Any] | bytes] = {}
        self.asked: list[dict[str, str]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.open = asyncio.Event()
        self.open.set()

    def vouch(self, cookie: str, account: str = "ada", **more: Any) -> None:
        """Stand for `account` from now on; the password was checked now unless said otherwise."""
        self.says[cookie] = {"account": account, "authenticated_at_ms": now_ms(), "remember": True, **more}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                self.asked.append(headers)
                self.under_way += 1
                self.most_under_way = max(self.most_under_way, self.under_way)
                try:
                    await self.open.wait()
                finally:
                    self.under_way -= 1
                said = self.says.get(headers.get("cookie", "").partition("=")[2], 401)
                status = said if isinstance(said, int) else 200
                body = said if isinstance(said, bytes) else json.dumps(said).encode()
                more = "Set-Cookie: csrf=of-one-visitor\r\nLocation: /login\r\nContent-Type: application/json\r\n"
                writer.write(f"HTTP/1.1 {status} -\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def old_website() -> AsyncIterator[OldWebsite]:
    """One that runs in this loop."""
    website = OldWebsite()
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(website.answer(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    website.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/who"
    yield website
    server.close()
    for task in list(connections):
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
