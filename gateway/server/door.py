"""What all connections of one server share: routes, limits, the once-a-second sweep and the answers of refusal."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, TypeAlias

from ..clock import SystemClock
from ..hot_route import AppendRecord
from ..unexpected import reporter
from ..wire import HotRoutes, Reply
from .limits import ServerLimits
from .scout import Scout

_PLAIN: Final = (b"content-type", b"text/plain; charset=utf-8")

#: The same bytes as uvicorn's own answer, so that no client can tell the doors apart.
BAD_REQUEST: Final = Reply(400, (_PLAIN,), b"Invalid HTTP request received.")

TOO_SLOW: Final = Reply(408, (_PLAIN,), b"The request took too long to arrive.")
HEAD_TOO_LARGE: Final = Reply(431, (_PLAIN,), b"The request head is too large.")
TOO_MANY_CONNECTIONS: Final = Reply(503, (_PLAIN, (b"retry-after", b"5")), b"Too many connections.")


#: Closes a connection that is idle, late or stalled at a tick.
Sweep: TypeAlias = Callable[[int], object]


_report: Final = reporter(SystemClock(), "fast")


def crashed(error: BaseException) -> Reply:
    """Report a bug of ours that this request has met, and give the answer: 503 with the id that is in the log."""
    problem_id = secrets.token_urlsafe(12)
    _report(problem_id, error)
    text = f"Something went wrong on our side; quote {problem_id} if you ask about it."
    return Reply(503, (_PLAIN, (b"retry-after", b"5")), text.encode())


class Door:
    """Shared by the connections of one server in one event loop."""

    # fmt: off
    __slots__ = (
        "_timer", "append", "connections", "default_headers", "default_lines", "limits", "routes", "scout", "tick",
    )
    # fmt: on

    def __init__(self, routes: HotRoutes, append: AppendRecord, limits: ServerLimits) -> None:
        # A plain dict: the only look-up each request pays for.
        self.routes = dict(routes)
        self.append = append
        self.limits = limits
        self.scout = Scout(routes)
        #: The open connections, by what sweeps them.
        self.connections: set[Sweep] = set()
        #: Seconds, as the sweep counts them.
        self.tick = 0
        #: uvicorn's list of default headers (it puts a new one in place each second), and the same as bytes.
        self.default_headers: list[tuple[bytes, bytes]] = []
        self.default_lines = b""
        self._timer: asyncio.TimerHandle | None = None

    def encode_default_headers(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """`headers` as the lines that follow a status line; remembered until uvicorn puts in another list."""
        self.default_headers = headers
        self.default_lines = b"".join(b"%s: %s\r\n" % (name.lower(), value) for name, value in headers)
        return self.default_lines

    def admit(self, sweep: Sweep, loop: asyncio.AbstractEventLoop) -> bool:
        """Count a new connection and keep the sweep going; False if there are too many already."""
        if len(self.connections) >= self.limits.max_connections:
            return False
        self.connections.add(sweep)
        if self._timer is None:
            self._timer = loop.call_later(1.0, self._sweep_and_rearm, loop)
        return True

    def dismiss(self, sweep: Sweep) -> None:
        """Forget a connection; with the last one the sweep ends, so an idle loop has no timer of ours."""
        self.connections.discard(sweep)
        if not self.connections and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def sweep(self) -> None:
        """Let one second pass for every connection."""
        self.tick += 1
        for sweep in tuple(self.connections):
            sweep(self.tick)

    def _sweep_and_rearm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(1.0, self._sweep_and_rearm, loop)
        self.sweep()


def encode(reply: Reply, default_lines: bytes, *, with_body: bool, keep_alive: bool) -> bytes:
    """`reply` as it goes out; without the body for HEAD, with `connection: close` where it is the last one."""
    return b"".join(
        (
            reply.status_line,
            default_lines,
            reply.fields,
            b"\r\n" if keep_alive else b"connection: close\r\n\r\n",
            reply.body if with_body else b"",
        )
    )
