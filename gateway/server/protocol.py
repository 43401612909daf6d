"""HOT, 1 us a request besides parser, handler and kernel: uvicorn's HTTP protocol with a door before ASGI.

The only file that touches uvicorn's private fields; test_protocol_contract.py says so clearly if they move.
"""

import asyncio
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from .. import logs
from ..hot_route import AppendRecord, peer_of
from ..wire import NOT_RECORDED, Handler, Head, HotRoutes, Reply, UnreadHead
from .door import BAD_REQUEST, HEAD_TOO_LARGE, TOO_MANY_CONNECTIONS, Door, crashed, encode
from .heads import BODY_FOLLOWS, LENGTH, LONG_WAY, OTHER, PLAIN, Ignored, is_target, read_name
from .intake import ASGI_BODY, BODY, BUSY, CLOSED, OPEN, STALLED, GatedFlow, Intake, SecondMessage
from .limits import ServerLimits
from .pending import PendingRecord

_log = logs.get("server")


class FastProtocol(Intake, HttpToolsProtocol):
    """One connection; `fast_protocol` makes the class for a server."""

    __slots__ = ("_body", "_body_handler", "_pending", "_routes", "_scout", "cycle", "headers", "server_state", "url")

    flow: GatedFlow

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        HttpToolsProtocol.__init__(self, config, server_state, app_state, _loop)
        Intake.__init__(self)
        self._routes = self.door.routes
        self._scout = self.door.scout
        self.url = b""
        self.headers = []
        self._body: list[bytes] = []
        self._body_handler: Handler | None = None
        self._pending = PendingRecord()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Learn who it is, and whether there is room."""
        super().connection_made(transport)
        self.flow = GatedFlow(transport)
        self._peer = peer_of(self.client, self.server)
        if not self._peer:
            # The client hung up before it could be asked who it is; nobody must take it for someone.
            self._state = CLOSED
            transport.abort()
        elif not self.door.admit(self.sweep, self.loop):
            self._state = CLOSED
            self._send_last(TOO_MANY_CONNECTIONS)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; what is in flight is told."""
        super().connection_lost(exc)
        self.door.dismiss(self.sweep)
        self._state = CLOSED
        self._held = b""

    def shutdown(self) -> None:
        """Answer what is in flight, then close; close what is idle."""
        if self._state == BODY:
            self._keep_alive = False
        else:
            super().shutdown()

    def _upgrade(self) -> None:
        if self._should_upgrade():
            self.door.dismiss(self.sweep)
            self.handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Start on a request; uvicorn builds the scope here, `_take_the_long_way` only for those who need one."""
        if self._begun:
            raise SecondMessage
        self._begun = True
        self._length = 0
        self._body = []
        self.url = b""
        self.headers = []
        self._noted = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take up a header line, and note those that decide about the way."""
        try:
            self.headers.append((PLAIN[name], value))
        except KeyError:
            lower, noted = read_name(name)
            self.headers.append((lower, value))
            self._noted |= noted

    def on_headers_complete(self) -> None:
        """Answer, wait for the body, or leave the request to the app."""
        if len(self.headers) > self.door.limits.max_headers:
            self._refuse(HEAD_TOO_LARGE)
            return
        if self._noted & OTHER and self.parser.should_upgrade() and not self._should_upgrade():
            if self._offered is not None:
                # Something that the parser takes for an offer and we do not.
                self._refuse(BAD_REQUEST)
            # The parser stops here, and the head is read again.
            self._offered = self.headers
            return
        if self._offered is not None:
            # The app sees what was sent.
            self.headers = self._offered
        route = self._routes.get(self.url.partition(b"?")[0])
        if route is None or b"#" in self.url:
            self._note_length_and_connection()
        elif not self._noted:
            self._keep_alive = self.parser.should_keep_alive()
            if self._answer(route.handler, b""):
                return
        elif self._note_length_and_connection() <= route.max_body_bytes and not self._noted & LONG_WAY:
            if self._noted & LENGTH:
                self._state = BODY
                self._since = self.door.tick
                self._body_handler = route.handler
                return
            if self._answer(route.handler, b""):
                return
        self._take_the_long_way()

    def on_body(self, body: bytes) -> None:
        """Keep it for a hot handler, or until the app gets all of a piece, which may hold many chunks."""
        if self._ends.body_left:
            self._ends.body_left -= len(body)
        if self._state != CLOSED:
            self._body.append(body)

    def _pass_body_on(self) -> None:
        if self._body and self._state == ASGI_BODY:
            body, self._body = b"".join(self._body), []
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer a hot request with a body; or the next request may come."""
        self._ends.body_left = 0
        if self._state == ASGI_BODY:
            self._pass_body_on()
            self._state = BUSY
            super().on_message_complete()
            if self.cycle is None or self.cycle.response_complete:
                self._next_request()
        elif self._state == BODY and self._body_handler is not None:
            body, self._body = b"".join(self._body), []
            if not self._answer(self._body_handler, body):
                self._take_the_long_way()
                self._state = BUSY
                super().on_body(body)
                super().on_message_complete()

    def _answer_unread(self, data: bytes) -> bool:
        scout = self._scout
        handler = scout.handler_of(data)
        if handler is None:
            return False
        self._keep_alive = True
        return self._ask(handler, UnreadHead(scout.target, data, self._peer))

    def _answer(self, handler: Handler, body: bytes) -> bool:
        return self._ask(handler, Head(self.parser.get_method(), self.url, self.headers, self._peer, body))

    def _ask(self, handler: Handler, head: Head) -> bool:
        """Ask the handler; False if it leaves the request to the app."""
        try:
            answer = handler(head)
        except Exception as error:
            self._keep_alive = False
            answer = crashed(error)
        if isinstance(answer, Reply):
            self._state = OPEN
            self._send(answer, head.method, self._keep_alive)
            return True
        if answer is None:
            return False
        self._pending.wait(answer.reply, head.method, self._keep_alive)
        self.cycle = cast(RequestResponseCycle, self._pending)
        self._state = BUSY
        self.door.append(answer.payload, self._recorded)
        return True

    def _recorded(self, kept: bool) -> None:  # noqa: FBT001 - the journal's callback
        pending = self._pending
        if pending.response_complete or self._state == CLOSED:
            return
        pending.response_complete = True
        if cast(object, self.cycle) is pending:
            self.cycle = cast(RequestResponseCycle, None)
        reply = pending.reply if kept and pending.reply is not None else NOT_RECORDED
        self._send(reply, pending.method, pending.keep_alive)
        self._next_request()

    def _send(self, reply: Reply, method: bytes, keep_alive: bool) -> None:  # noqa: FBT001 - hot
        door, state = self.door, self.server_state
        state.total_requests += 1
        self._idle_since = door.tick
        headers = state.default_headers
        lines = door.default_lines if headers is door.default_headers else door.encode_default_headers(headers)
        if keep_alive and method != b"HEAD":
            self.transport.write(reply.status_line + lines + reply.tail)
            return
        self.transport.write(encode(reply, lines, with_body=method != b"HEAD", keep_alive=keep_alive))
        if not keep_alive:
            self._state = CLOSED
            self.transport.close()

    def _send_last(self, reply: Reply) -> None:
        lines = self.door.encode_default_headers(self.server_state.default_headers)
        self.transport.write(encode(reply, lines, with_body=True, keep_alive=False))

    def on_response_complete(self) -> None:
        """The app has answered: the next request, please."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._state = CLOSED
        else:
            self._next_request()

    def _next_request(self) -> None:
        """The answer in flight is complete: start what is queued, take up what is held, or read on."""
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.door.tick
        if self._state == BUSY:
            if self.flow.write_paused:
                self._state = STALLED
                return
            if self._held:
                self._state = STALLED
                self.loop.call_soon(self._go_on)
                return
            self._state = OPEN
        if self.flow.read_paused:
            self.flow.resume_reading()

    def _take_the_long_way(self) -> None:
        """Build the scope that was put off, and let uvicorn run the app (or queue it behind the one in flight)."""
        url, headers, noted = self.url, self.headers, self._noted
        if not is_target(url) or (noted & BODY_FOLLOWS and self.parser.should_upgrade()):
            # After the head of an upgrade llhttp takes no body: a way to smuggle a request past a proxy.
            _log.debug("malformed request", peer=self._peer, reason="a bad target, or an upgrade with a body")
            self._refuse(BAD_REQUEST)
            return
        super().on_message_begin()
        self.url = url
        self.headers = self.scope["headers"] = headers
        self.expect_100_continue = any(n == b"expect" and v.lower() == b"100-continue" for n, v in headers)
        self._since = self.door.tick
        self._state = ASGI_BODY
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            # llhttp reports trailers as header lines; uvicorn would add them to the scope behind everybody's back.
            self.headers = Ignored()

    def _refuse(self, reply: Reply) -> None:
        """Answer `reply` as the last thing on this connection, unless an answer has begun already."""
        cycle, state = self.cycle, self._state
        if state == BUSY:
            # What came behind a request in flight is bad: that one is still answered.
            cycle.keep_alive = False
            return
        self._state = CLOSED
        self._held = b""
        answered = state == ASGI_BODY and (cycle.response_started or cycle.disconnected)
        if state == ASGI_BODY and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if answered:
            self.transport.close()
            return
        self._send_last(reply)
        self._linger()


def fast_protocol(routes: HotRoutes, append: AppendRecord, limits: ServerLimits) -> type[FastProtocol]:
    """The protocol class of one server, for `uvicorn.Config(http=...)`.

    `append` is the journal's; whoever owns it closes it after the last connection is gone (at the end of lifespan).
    """

    class Protocol(FastProtocol):
        door = Door(routes, append, limits)

    return Protocol
