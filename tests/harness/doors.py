"""Both doors driven without a socket: bytes in, bytes out, a journal that commits when told."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from latchstring_gateway.hot_route import Receive, Scope, Send, hot_route_app
from latchstring_gateway.server.limits import ServerLimits
from latchstring_gateway.server.protocol import FastProtocol, fast_protocol
from latchstring_gateway.wire import Answer, Head, HeaderNames, HotRoute, Recorded, Reply

DATE = b"Tue, 24 Nov 2026 08:00:00 GMT"
HIGH_WATER_BYTES = 65_536


class ManualJournal:
    """Keeps payloads until `commit`."""

    def __init__(self) -> None:
        self.waiting: list[tuple[bytes, Callable[[bool], object]]] = []
        self.kept: list[bytes] = []

    def append(self, payload: bytes, done: Callable[[bool], object]) -> None:
        """See `Journal.append`."""
        self.waiting.append((payload, done))

    def commit(self, *, kept: bool = True) -> None:
        """One group commit; or none of them could be kept."""
        waiting, self.waiting = self.waiting, []
        for payload, done in waiting:
            if kept:
                self.kept.append(payload)
            done(kept)


class MemoryTransport(asyncio.Transport):
    """What the protocol wrote, with uvloop's rules for a client that does not read."""

    def __init__(self, protocol: asyncio.Protocol, peer: tuple[str, int] | None = ("192.0.2.1", 40_000)) -> None:
        super().__init__({"peername": peer, "sockname": ("192.0.2.9", 80)})
        self.protocol = protocol
        self.sent = bytearray()
        self.unsent = bytearray()
        self.client_reads = True
        self.write_paused = False
        self.reading = True
        self.closing = False
        self.ended = False
        self.lost = False

    def write(self, data: Any) -> None:
        """Send, or buffer if the client does not read."""
        if self.closing:
            return
        assert not self.ended, "written after write_eof"
        if self.client_reads:
            self.sent += data
            return
        self.unsent += data
        if len(self.unsent) > HIGH_WATER_BYTES and not self.write_paused:
            self.write_paused = True
            self.protocol.pause_writing()

    def let_client_read(self) -> None:
        """The client reads everything there is and goes on reading."""
        self.client_reads = True
        self.sent += self.unsent
        self.unsent.clear()
        if self.closing:
            self._lose()
        elif self.write_paused:
            self.write_paused = False
            self.protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        """Bytes the client has not taken."""
        return len(self.unsent)

    def pause_reading(self) -> None:
        """Stop reading."""
        self.reading = False

    def resume_reading(self) -> None:
        """Read on."""
        self.reading = True

    def write_eof(self) -> None:
        """Nothing more will be written."""
        self.ended = True

    def can_write_eof(self) -> bool:
        """As TCP."""
        return True

    def close(self) -> None:
        """Close once everything is sent."""
        self.closing = True
        if not self.unsent:
            self._lose()

    def abort(self) -> None:
        """Close at once."""
        self.closing = True
        self.unsent.clear()
        self._lose()

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def is_closing(self) -> bool:
        """Whether it is closing or closed."""
        return self.closing


def fast(head: Head) -> Answer:
    """Answers at once, with what it was asked."""
    return Reply(200, ((b"x-target", head.target), (b"x-peer", head.peer.encode())), head.method)


def kept(head: Head) -> Answer:
    """Answers after the journal."""
    return Recorded(head.target + b" " + head.body, Reply(202, ((b"x-target", head.target),), b"kept " + head.body))


def empty(_head: Head) -> Answer:
    """Answers without a body."""
    return Reply(204)


def declined(_head: Head) -> Answer:
    """Leaves it to the app."""
    return None


def crashed(_head: Head) -> Answer:
    """Has a bug."""
    raise ZeroDivisionError


WANTED = HeaderNames(b"cookie", b"content-type", b"x-forwarded-for")


def seen(head: Head) -> Answer:
    """Answers with what it sees of the header lines."""
    wanted = [(name.lower(), value) for name, value in head.lines(WANTED)]
    return Reply(200, (), repr((wanted, head.headers, head.mentions(b"__Host-"))).encode())


ROUTES = {
    b"/seen": HotRoute(seen),
    b"/fast": HotRoute(fast),
    b"/kept": HotRoute(kept),
    b"/empty": HotRoute(empty),
    b"/declined": HotRoute(declined),
    b"/crashed": HotRoute(crashed),
    b"/body": HotRoute(kept, max_body_bytes=64),
    b"/declined-body": HotRoute(declined, max_body_bytes=64),
}


async def ordinary(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body and tells what it saw, a few turns of the loop later."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message["more_body"]:
            break
    await asyncio.sleep(0)
    text = b"%s %s %s" % (scope["method"].encode(), scope["path"].encode(), body)
    headers = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text[:5], "more_body": True})
    await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": text[5:]})


class Connection:
    """One connection through one of the doors, inside a running loop."""

    def __init__(self, door: str, limits: ServerLimits | None = None, app: Any = ordinary) -> None:
        self.journal = ManualJournal()
        hot = {path: hot_route_app(route, self.journal.append, app) for path, route in ROUTES.items()}

        async def routed(scope: Scope, receive: Receive, send: Send) -> None:
            await hot.get(scope["raw_path"], app)(scope, receive, send)

        made = fast_protocol(ROUTES, self.journal.append, limits or ServerLimits())
        protocol_class: type[HttpToolsProtocol] = made if door == "fast" else HttpToolsProtocol
        self.config = Config(
            routed, ws="none", lifespan="off", log_config=None, proxy_headers=False, http=protocol_class
        )
        self.config.load()
        self.state = ServerState()
        self.state.default_headers = [(b"date", DATE)]
        self.protocol = self.make()
        self.transport = MemoryTransport(self.protocol)
        self.protocol.connection_made(self.transport)

    def make(self) -> HttpToolsProtocol:
        """Another protocol of the same server, not yet connected."""
        protocol_class = cast(type[HttpToolsProtocol], self.config.http_protocol_class)
        return protocol_class(self.config, self.state, {}, asyncio.get_running_loop())

    @property
    def fast(self) -> FastProtocol:
        """The protocol, where it is the fast door's."""
        assert isinstance(self.protocol, FastProtocol)
        return self.protocol

    @property
    def sent(self) -> bytes:
        """What the client has got."""
        return bytes(self.transport.sent)

    @property
    def over(self) -> bool:
        """Whether the client sees an end of the connection."""
        return self.transport.closing or self.transport.ended

    def feed(self, data: bytes) -> None:
        """The client sends; a transport that is closing reads no more."""
        if not self.transport.closing:
            self.protocol.data_received(data)

    async def settle(self) -> None:
        """Let everything run and commit until nothing moves any more."""
        quiet_turns = 0
        while quiet_turns < 12:
            before = len(self.transport.sent), len(self.journal.kept)
            await asyncio.sleep(0)
            self.journal.commit()
            moved = before != (len(self.transport.sent), len(self.journal.kept))
            quiet_turns = 0 if moved else quiet_turns + 1

    def close(self) -> None:
        """The connection is gone."""
        self.transport.abort()


def request(target: bytes, method: bytes = b"GET", headers: bytes = b"", body: bytes = b"") -> bytes:
    """A request; `headers` are whole lines, a body gets its Content-Length."""
    if body:
        headers += b"Content-Length: %d\r\n" % len(body)
    return b"%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n%s" % (method, target, headers, body)
