"""Ends a website's open WebSockets and event streams when their device, session or account is removed. Copy and adapt.

    app = EndingStreams(app, url="http://127.0.0.1:8400/v1/revocations/stream", service_key="lsk_…")

From the server's start to its end (lifespan) it listens to the gateway's stream of revocations. What an event names is
ended: a WebSocket with code 4001, an event stream by its end. The proxy has checked each request when it began; who it
is stands in the X-Latch-* headers that the proxy set.
"""

import asyncio
import json
import time
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final

import httpx

SIGNED_OUT: Final = 4001
#: Three heartbeats of the stream: who hears nothing for longer connects again.
SILENCE_SECONDS: Final = 15.0
#: Out of touch for longer, nobody knows who was removed: everything is ended, and nothing begun. As last-known-good.
LONGEST_SILENCE_SECONDS: Final = 60.0
#: A request may have been checked just before its account was removed, and arrive here just after.
ON_THE_WAY_SECONDS: Final = 10.0

_EVENT_STREAM: Final = b"text/event-stream"


class Open:
    """One request under way, by the names an event may call it."""

    def __init__(self, headers: list[tuple[bytes, bytes]], *, streams: bool) -> None:
        said = dict(headers)
        self.account, self.session, self.device = (
            said.get(b"x-latch-" + name, b"").decode() for name in (b"account", b"session", b"device")
        )
        self.authenticated_at = int(said.get(b"x-latch-auth-time", b"0") or 0)
        #: Whether it goes on: a WebSocket from its beginning, an answer once it says that it is an event stream.
        self.streams = streams
        self.ended = False
        self.app: asyncio.Task[None] | None = None

    def is_named_by(self, event: dict[str, Any]) -> bool:
        """Whether a `revoked` event is about it."""
        if event["kind"] == "everybody":
            return sha256(self.account.encode()).digest()[0] == int(event["partition"])
        own = {"account": self.account, "session": self.session, "device": self.device}[event["kind"]]
        return own == str(event[event["kind"]])

    def came_too_late_for(self, event: dict[str, Any]) -> bool:
        """Whether an event that was told before this request came is about it all the same.

        Devices and sessions never come back; an account does, by a sign-in after the event.
        """
        is_older = event["kind"] in ("device", "session") or self.authenticated_at * 1000 <= event["at_ms"]
        return is_older and self.is_named_by(event)

    def end(self) -> None:
        """Cancel the app if it streams; any other answer is let finish."""
        self.ended = True
        if self.streams and self.app is not None:
            self.app.cancel()


class EndingStreams:
    """ASGI; outermost, so that it sees the lifespan."""

    def __init__(self, app: Any, *, url: str, service_key: str) -> None:
        self._app = app
        self._url = url
        self._headers = {"authorization": f"Bearer {service_key}"}
        self._open: set[Open] = set()
        self._recent: list[tuple[float, dict[str, Any]]] = []
        self._last_id = ""
        # Nothing goes on before the stream has been heard once: what is revoked until then would be missed.
        self._heard_at = float("-inf")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """See the class."""
        if scope["type"] == "lifespan":
            listening = asyncio.create_task(self._listen())
            try:
                await self._app(scope, receive, send)
            finally:
                listening.cancel()
            return
        is_socket = scope["type"] == "websocket"
        one = Open(scope["headers"], streams=is_socket)
        one.ended = self._is_out_of_touch() or any(
            one.came_too_late_for(event) for at, event in self._recent if _is_young(at)
        )
        has_begun = False

        async def watched(message: Any) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                one.streams = any(
                    k.lower() == b"content-type" and v.startswith(_EVENT_STREAM) for k, v in message["headers"]
                )
                if one.streams and one.ended:
                    raise asyncio.CancelledError
                has_begun = True
            await send(message)

        self._open.add(one)
        one.app = asyncio.create_task(self._app(scope, receive, watched))
        if one.ended:
            one.end()
        try:
            await one.app
        except asyncio.CancelledError:
            if not one.ended:
                raise
            if is_socket:
                await send({"type": "websocket.close", "code": SIGNED_OUT, "reason": "signed out"})
            else:
                if not has_begun:
                    await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b""})
        finally:
            self._open.discard(one)

    async def _listen(self) -> None:
        timeout = httpx.Timeout(5.0, read=SILENCE_SECONDS)
        async with httpx.AsyncClient(headers=self._headers, timeout=timeout) as client:
            while True:
                with suppress(httpx.HTTPError):
                    await self._follow(client)
                if self._is_out_of_touch():
                    self._end_all()
                await asyncio.sleep(1.0)

    async def _follow(self, client: httpx.AsyncClient) -> None:
        resume = {"last-event-id": self._last_id} if self._last_id else {}
        async with client.stream("GET", self._url, headers=resume) as answer:
            answer.raise_for_status()
            name = data = ""
            async for line in answer.aiter_lines():
                field, _, value = line.partition(": ")
                if field == "id":
                    # Everything before it has been told.
                    self._last_id, self._heard_at = value, time.monotonic()
                elif field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not line and data:
                    self._take(name, json.loads(data))
                    name = data = ""

    def _take(self, name: str, event: dict[str, Any]) -> None:
        if name == "gap":
            self._end_all()
        elif name == "revoked":
            self._recent = [(at, one) for at, one in self._recent if _is_young(at)] + [(time.monotonic(), event)]
            for one in list(self._open):
                if one.is_named_by(event):
                    one.end()

    def _is_out_of_touch(self) -> bool:
        return time.monotonic() - self._heard_at > LONGEST_SILENCE_SECONDS

    def _end_all(self) -> None:
        for one in list(self._open):
            one.end()


def _is_young(at: float) -> bool:
    return time.monotonic() - at < ON_THE_WAY_SECONDS
