"""The URLs of the collector: those that are hot, and the long way of what is seldom.

/com.snowplowanalytics.snowplow/tp2   events by POST or GET
/{vendor}/{version}                   the same, for any vendor with a dot in its name
/com.snowplowanalytics.iglu/v1        one self-describing event
/i, /ice.png                          one event by GET
/r/{any}?u=…                          one event by GET, then 302 to where `u` may lead
/health, /sink-health, /robots.txt    for load balancers and crawlers
"""

from collections.abc import Callable, Iterable
from typing import Final

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ..beacons.batch import HOT_BODY_BYTES, allowed_origin
from ..beacons.endpoints import MAX_BODY_BYTES, read_body
from ..hot_route import AppendRecord, head_of, hot_route_app, send_reply, settled
from ..shipping.snowplow import REDIRECT_PATH
from ..wire import Head, HotRoute, Reply
from .collector import Collector, lines_for, preflight_for
from .redirect import Redirects

TP2: Final = b"/com.snowplowanalytics.snowplow/tp2"
PATHS: Final = (TP2, b"/com.snowplowanalytics.iglu/v1", b"/i", b"/ice.png")

_METHODS: Final = b"GET, HEAD, POST, OPTIONS"
_NO_ROBOTS: Final = "User-agent: *\nDisallow: /\n"


class _Vendor(Convertor[str]):
    """A name with a dot in it.

    Any other pair of segments stays 404: a proxy that asks us for /verfy/fresh by mistake must not hear 200.
    """

    regex = r"[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)+"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


register_url_convertor("vendor", _Vendor())


def hot_routes(collector: Collector, further: Iterable[str]) -> dict[bytes, HotRoute]:
    """The handlers by path; hits of `further` paths are kept as tp2's."""
    return {path: HotRoute(collector.handler(known), HOT_BODY_BYTES) for path, known in _known_paths(further).items()}


def routes(
    collector: Collector,
    redirects: Redirects,
    further: Iterable[str],
    append: AppendRecord,
    is_healthy: Callable[[], bool],
) -> list[BaseRoute]:
    """The ASGI routes: the same handlers, and what they leave. `is_healthy` says whether hits can be kept."""
    return [
        *(Route(path.decode(), _Long(collector, known, append)) for path, known in _known_paths(further).items()),
        Route(REDIRECT_PATH.decode() + "{any}", _Redirect(collector, redirects, append)),
        *_health(is_healthy),
        Route("/{vendor:vendor}/{version}", _Long(collector, b"", append)),
    ]


def _known_paths(further: Iterable[str]) -> dict[bytes, bytes]:
    """Paths, and the path that a hit of each is kept under; empty for its own."""
    return dict.fromkeys(PATHS, b"") | {path.encode(): TP2 for path in further}


class _Long:
    """A path as an ASGI app, for bodies of any length and any method."""

    def __init__(self, collector: Collector, stands_for: bytes, append: AppendRecord) -> None:
        self._collector = collector
        self._stands_for = stands_for
        self._append = append
        route = HotRoute(collector.handler(stands_for), MAX_BODY_BYTES)
        self._app = hot_route_app(route, append, self._otherwise)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await self._app(scope, receive, send)

    async def _otherwise(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = head_of(scope)
        if head.method == b"POST":
            head.body, body_bytes = await read_body(Request(scope, receive))
            reply = await settled(self._collector.take(head, body_bytes, self._stands_for), self._append)
        else:
            reply = _no_hit(head)
        await send_reply(reply, send)


class _Redirect:
    """The redirect as an ASGI app."""

    def __init__(self, collector: Collector, redirects: Redirects, append: AppendRecord) -> None:
        self._collector = collector
        self._redirects = redirects
        self._append = append

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer."""
        head = head_of(scope)
        if head.method in (b"GET", b"HEAD"):
            reply = await settled(self._redirects.answer(self._collector, head), self._append)
        else:
            reply = _no_hit(head)
        await send_reply(reply, send)


def _no_hit(head: Head) -> Reply:
    """The answer to a preflight, or to a method that no tracker uses."""
    origin = allowed_origin(head.headers)
    if head.method == b"OPTIONS":
        return preflight_for(origin)
    return Reply(405, (*lines_for(origin), (b"allow", _METHODS)))


def _health(is_healthy: Callable[[], bool]) -> list[Route]:
    async def live(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def sink(_request: Request) -> Response:
        return PlainTextResponse("ok") if is_healthy() else PlainTextResponse("Service Unavailable", 503)

    async def robots(_request: Request) -> Response:
        return PlainTextResponse(_NO_ROBOTS)

    return [Route("/health", live), Route("/sink-health", sink), Route("/robots.txt", robots)]
