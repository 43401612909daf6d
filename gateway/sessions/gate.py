"""The gate as an ASGI class: lets the signed-in through to an app in this process and hands the renewed cookie back.

The edge puts it before its own pages. A website without a proxy puts it before its own app (session_gate.py): then
that process is a worker like any other. It registers, follows the revocations, is waited for in receipts, and it holds
the signing keys; behind a proxy, the passport (latchstring_middleware.passport) needs none of that.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latchstring_middleware.identity_headers import strip_identity

from ..clock import Clock
from ..hot_route import head_of
from ..metrics import VERIFY
from ..wire import Head, Reply
from . import visit
from .check import Accepted, Level
from .judge import Judge
from .path_readings import readings, resolved
from .policy import SESSION_COOKIE
from .requirement import Requirement

#: Response headers that would let a cache keep an answer that carries a visitor's cookie.
_CACHE_HEADERS: Final = frozenset((b"cache-control", b"expires", b"surrogate-control", b"x-accel-expires"))
_OWN_COOKIE: Final = SESSION_COOKIE.encode() + b"="


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in, as the app finds it in `scope["latch"]`."""

    account: str
    session: str
    device: str
    level: Level
    authenticated_at_ms: int


class Gate:
    """Pure ASGI. `is_public(path)` names what anybody may see; there `scope["latch"]` is None for nobody.

    `requires(path)` names what a route asks beyond being signed in; on a public one, who does not meet it is nobody.
    Both are asked about the path as the app finds it in the scope. Of one that is spelled oddly ("/pay;x", "/pay.json")
    they are also asked about what it may be read as (path_readings.py): no less is asked of it, and it is public if
    that is, too. The app finds no `X-Latch-*` header of a client in the scope, in no spelling.
    `has_bridge` where the bridge is a page of the same host, while visitors move in. `takes_bearer` where TVs may come
    in with their access tokens, as they may behind a proxy. `address_of` finds the browser's address behind proxies.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        judge: Judge,
        clock: Clock,
        is_public: Callable[[str], bool] | None = None,
        requires: Callable[[str], Requirement] | None = None,
        has_bridge: bool = False,
        takes_bearer: bool = False,
        address_of: Callable[[Head], str] | None = None,
    ) -> None:
        self._app = app
        self._judge = judge
        self._has_bridge = has_bridge
        self._takes_bearer = takes_bearer
        self._address_of = address_of
        self._clock = clock
        self._is_public = is_public or (lambda path: False)
        self._requires = requires or (lambda path: Requirement())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class; lifespan events pass through."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # A WebSocket handshake is a GET.
        head = head_of({"method": "GET", **scope})
        # A copy: the server's own scope stays as it came.
        scope = {**scope, "headers": strip_identity(list(scope["headers"]))}
        asked = self._asked_of(scope["path"])
        visited = visit.read(
            head,
            None,
            arrived_ns=self._clock.boot_ns(),
            background=asked.background,
            takes_bearer=self._takes_bearer,
            client_address=None if self._address_of is None else self._address_of(head),
        )
        if self._judge.lets_pass(visited):
            VERIFY.labels("preflight").inc()
            await self._app({**scope, "latch": None}, receive, send)
            return
        verdict = await self._judge.judge(visited, asked)
        VERIFY.labels("accepted" if isinstance(verdict, Accepted) else verdict.reason).inc()
        if not isinstance(verdict, Accepted):
            if self._is_public(scope["path"]) and self._is_public(resolved(scope["path"])):
                await self._app({**scope, "latch": None}, receive, send)
            else:
                reply = self._judge.refusal(head, visited, verdict, asked, may_bridge=self._has_bridge)
                await _refuse(scope, send, reply)
            return
        lease = verdict.lease
        visitor = Visitor(lease.account, lease.session, lease.device, verdict.level, lease.content.authenticated_at_ms)
        forward = send if verdict.set_cookie is None else _with_cookie(send, verdict.set_cookie)
        await self._app({**scope, "latch": visitor}, receive, forward)

    def _asked_of(self, path: str) -> Requirement:
        asked, *others = map(self._requires, readings(path))
        for other in others:
            asked = asked.joined_with(other)
        return asked


def _with_cookie(send: Send, set_cookie: str) -> Callable[[Message], Awaitable[None]]:
    async def forward(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            kept = [
                (name, value)
                for name, value in headers
                if name.lower() not in _CACHE_HEADERS and not name.lower().endswith(b"cdn-cache-control")
            ]
            kept.append((b"cache-control", b"private, no-store"))
            if not any(name.lower() == b"set-cookie" and value.startswith(_OWN_COOKIE) for name, value in headers):
                # The app that signs somebody in here has set the cookie of the new session, and it must stay the last.
                kept.append((b"set-cookie", set_cookie.encode()))
            message = {**message, "headers": kept}
        await send(message)

    return forward


async def _refuse(scope: Scope, send: Send, reply: Reply) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "not signed in"})
        return
    await send({"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)})
    await send({"type": "http.response.body", "body": reply.body})
