"""The gate as an ASGI class: lets the signed-in through to an app in this process and hands the renewed cookie back.

The edge puts it before its own pages. A website without a proxy puts it before its own app (wiring.SessionGate): then
that process is a worker like any other. It registers, follows the revocations, is waited for in receipts, and it holds
the signing keys; behind a proxy, the passport (latchstring_middleware.passport) needs none of that.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from latchstring_middleware.forwarded import TrustedProxies

from ..clock import Clock
from ..errors import StoreAway
from ..hot_route import head_of
from ..metrics import VERIFY
from ..tokens.codec import Codec
from ..wire import Reply
from . import answers, return_path, visit
from .check import Accepted, Checker, Level
from .old_cookie import OldCookie
from .policy import SESSION_COOKIE

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

    `trusted` are the proxies whose word on the client's address is taken; `old_cookie` is given where the bridge is a
    page of the same host, while visitors move in.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        checker: Checker,
        codec: Codec,
        clock: Clock,
        trusted: TrustedProxies,
        sign_in_url: str,
        is_public: Callable[[str], bool] | None = None,
        old_cookie: OldCookie | None = None,
    ) -> None:
        self._app = app
        self._old_cookie = old_cookie
        self._checker = checker
        self._codec = codec
        self._clock = clock
        self._trusted = trusted
        self._sign_in_url = sign_in_url
        self._is_public = is_public or (lambda path: False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class; lifespan events pass through."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # A WebSocket handshake is a GET.
        head = head_of({"method": "GET", **scope})
        visited = visit.read(head, None, arrived_ns=self._clock.boot_ns())
        public = self._is_public(scope["path"])
        try:
            verdict = await self._checker.check(visited)
        except StoreAway:
            VERIFY.labels("store_away").inc()
            if public:
                await self._app({**scope, "latch": None}, receive, send)
            else:
                await _refuse(scope, send, answers.AWAY)
            return
        VERIFY.labels("accepted" if isinstance(verdict, Accepted) else verdict.reason).inc()
        if not isinstance(verdict, Accepted):
            if public:
                await self._app({**scope, "latch": None}, receive, send)
                return
            sealed = return_path.seal(self._codec, visited.target, now_ms=self._clock.wall_ms())
            bridge = self._old_cookie and self._old_cookie.redirect(head, visited, sealed, open_to_all=False)
            denied = answers.denied(visited, verdict, sign_in_url=self._sign_in_url, sealed_return=sealed)
            await _refuse(scope, send, bridge or denied)
            return
        lease = verdict.lease
        visitor = Visitor(lease.account, lease.session, lease.device, verdict.level, lease.content.authenticated_at_ms)
        forward = send if verdict.set_cookie is None else _with_cookie(send, verdict.set_cookie)
        await self._app({**scope, "latch": visitor}, receive, forward)


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
