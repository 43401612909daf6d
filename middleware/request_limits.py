"""How large a request body may be and how long it may take to arrive: 413 and 408, before and while the app reads."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import MiddlewareError, problem_body, problem_messages


class RequestLimits:
    """Refuses a body of more than `max_body_bytes`, or one that is not there `max_seconds` after the app began to read.

    A Content-Length that is too large is refused at once; what really arrives is counted as well, so neither a chunked
    body nor a false Content-Length passes. The app sees the limit as a `MiddlewareError` from `receive`, and if it had
    not begun to answer, the client gets the refusal whatever the app makes of that. The connection is closed: the rest
    of such a body is not worth reading.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, max_seconds: float) -> None:
        if max_body_bytes < 0 or max_seconds <= 0:
            raise ValueError(f"expected limits above zero; got {max_body_bytes} bytes, {max_seconds} seconds")
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._max_seconds = max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        for name, value in scope["headers"]:
            # A malformed length is the server's to refuse; here it says nothing, and counting decides.
            if name == b"content-length" and value.isdigit() and _exceeds(value, self._max_body_bytes):
                await _refuse(send, _too_large(self._max_body_bytes))
                return
        exchange = _LimitedExchange(receive, send, self._max_body_bytes, self._max_seconds)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except Exception:
            if exchange.refusal is None or exchange.started:
                raise
        if exchange.refusal is not None and not exchange.started:
            await _refuse(send, exchange.refusal)


class _LimitedExchange:
    """The state of one request: what is left of the limits, and the refusal once one is exceeded."""

    def __init__(self, receive: Receive, send: Send, max_body_bytes: int, max_seconds: float) -> None:
        self._receive = receive
        self._send = send
        self._max_body_bytes = max_body_bytes
        self._max_seconds = max_seconds
        self._bytes_seen = 0
        self._deadline: float | None = None
        self._body_is_here = False
        self.started = False
        self.refusal: MiddlewareError | None = None

    async def receive(self) -> Message:
        if self.refusal is not None:
            raise self.refusal
        if self._body_is_here:
            # Waiting for the client to go away may take as long as it likes.
            return await self._receive()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._max_seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            self.refusal = _too_slow(self._max_seconds)
            raise self.refusal from None
        if message["type"] == "http.request":
            self._bytes_seen += len(message.get("body", b""))
            if self._bytes_seen > self._max_body_bytes:
                self.refusal = _too_large(self._max_body_bytes)
                raise self.refusal
            self._body_is_here = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if self.refusal is not None and not self.started:
            # The app makes its own error of ours (a 500, say); the refusal is the better answer.
            return
        self.started = True
        await self._send(message)


def _too_large(max_body_bytes: int) -> MiddlewareError:
    return MiddlewareError(413, "body_too_large", "Too large", f"send at most {max_body_bytes} bytes")


def _too_slow(max_seconds: float) -> MiddlewareError:
    detail = f"the body did not arrive within {max_seconds:g} seconds; try again"
    return MiddlewareError(408, "body_too_slow", "Request timeout", detail)


def _exceeds(digits: bytes, limit: int) -> bool:
    # int() of thousands of digits is slow, and raises beyond 4300.
    digits = digits.lstrip(b"0")
    return len(digits) > 18 or int(digits or b"0") > limit


async def _refuse(send: Send, refusal: MiddlewareError) -> None:
    body = problem_body(refusal.status, refusal.code, refusal.title, refusal.detail)
    for message in problem_messages(refusal.status, body, [(b"connection", b"close")]):
        await send(message)
