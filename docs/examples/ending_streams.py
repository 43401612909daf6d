"""Ends a website's open WebSockets when their device, session or account is removed. Copy it and adapt it.

    app = EndingStreams(app, url="http://127.0.0.1:8400/v1/revocations/stream", service_key="lsk_…")

From the server's start to its end (lifespan) it listens to the gateway's stream of revocations, and closes what events
name with code 4001. The proxy has checked each handshake; who it is stands in the X-Latch-* headers that it set.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

import httpx

SIGNED_OUT: Final = 4001
#: Three heartbeats of the stream: who hears nothing for longer connects again.
SILENCE_SECONDS: Final = 15.0
#: Out of touch for longer, nobody knows who was removed: everything is closed. Choose it as last-known-good.
LONGEST_SILENCE_SECONDS: Final = 60.0
#: A handshake may have been checked just before its account was removed, and arrive here just after.
HANDSHAKE_SECONDS: Final = 10.0


class Open:
    """One WebSocket, by the names an event may call it."""

    def __init__(self, headers: list[tuple[bytes, bytes]], send: Callable[[Any], Any]) -> None:
        said = dict(headers)
        self.account, self.session, self.device = (
            said.get(b"x-latch-" + name, b"").decode() for name in (b"account", b"session", b"device")
        )
        self.send = send
        self.closed = False

    def is_named_by(self, event: dict[str, Any]) -> bool:
        """Whether a `revoked` event is about it."""
        if event["kind"] == "everybody":
            return sha256(self.account.encode()).digest()[0] == int(event["partition"])
        own = {"account": self.account, "session": self.session, "device": self.device}[event["kind"]]
        return own == str(event[event["kind"]])

    async def close(self) -> None:
        """Say that it is signed out; the app then receives the disconnect as ever."""
        if not self.closed:
            self.closed = True
            # It may have gone by itself, or its client may take nothing: nobody waits for that one.
            with suppress(Exception):
                async with asyncio.timeout(5):
                    await self.send({"type": "websocket.close", "code": SIGNED_OUT, "reason": "signed out"})


class EndingStreams:
    """ASGI; outermost, so that it sees the lifespan."""

    def __init__(self, app: Any, *, url: str, service_key: str) -> None:
        self._app = app
        self._url = url
        self._headers = {"authorization": f"Bearer {service_key}"}
        self._open: set[Open] = set()
        self._recent: list[tuple[float, dict[str, Any]]] = []
        self._last_id = ""
        self._heard_at = time.monotonic()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """See the class."""
        if scope["type"] == "lifespan":
            listening = asyncio.create_task(self._listen())
            try:
                await self._app(scope, receive, send)
            finally:
                listening.cancel()
            return
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Any) -> None:
            if not one.closed:
                await send(message)

        one = Open(scope["headers"], send)
        self._open.add(one)
        try:
            if any(one.is_named_by(event) for at, event in self._recent if time.monotonic() - at < HANDSHAKE_SECONDS):
                await one.close()
                return
            await self._app(scope, receive, guarded)
        finally:
            self._open.discard(one)

    async def _listen(self) -> None:
        timeout = httpx.Timeout(5.0, read=SILENCE_SECONDS)
        async with httpx.AsyncClient(headers=self._headers, timeout=timeout) as client:
            while True:
                with suppress(httpx.HTTPError):
                    await self._follow(client)
                if time.monotonic() - self._heard_at > LONGEST_SILENCE_SECONDS:
                    await self._close(list(self._open))
                await asyncio.sleep(1.0)

    async def _follow(self, client: httpx.AsyncClient) -> None:
        resume = {"last-event-id": self._last_id} if self._last_id else {}
        async with client.stream("GET", self._url, headers=resume) as answer:
            answer.raise_for_status()
            name = data = ""
            async for line in answer.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "id":
                    # It comes only when everything up to it has been told.
                    self._last_id, self._heard_at = value, time.monotonic()
                elif field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not line and data:
                    await self._take(name, json.loads(data))
                    name = data = ""

    async def _take(self, name: str, event: dict[str, Any]) -> None:
        if name == "gap":
            await self._close(list(self._open))
        elif name == "revoked":
            now = time.monotonic()
            self._recent = [(at, one) for at, one in self._recent if now - at < HANDSHAKE_SECONDS] + [(now, event)]
            await self._close([one for one in self._open if one.is_named_by(event)])

    async def _close(self, those: list[Open]) -> None:
        await asyncio.gather(*(one.close() for one in those))
