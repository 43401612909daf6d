"""The long way: every URL of the edge, with the middlewares each kind needs; the same hot handlers as the fast door."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from latchstring_middleware.cross_origin import CrossOriginProtection
from latchstring_middleware.problems import ProblemAnswers
from latchstring_middleware.request_limits import RequestLimits
from latchstring_middleware.response_headers import ResponseHeaders

from . import activation_wiring, metric_files, metrics
from .account_paths import AccountPaths
from .activation.endpoints import PREFIX as OAUTH_PREFIX
from .backend_routes import all_nodes_of, backend_routes, links_of
from .beacons import batch, hit
from .beacons import endpoints as beacon_endpoints
from .beacons.journal import Journal
from .beacons.telling import journal_metrics
from .dashboard import page as dashboard
from .errors import EdgeError
from .hot_counts import HotCount
from .hot_route import head_of, hot_route_app
from .mail.go import MailAddresses
from .page_routes import page_routes
from .pages.problem_pages import ProblemPages
from .privacy.all_nodes import LOOK_SECONDS
from .recognition.hints import ACCEPT_CH
from .revocation import restored
from .running import Running, Task
from .service_keys import ServiceOnly
from .sessions.forward_auth import PATHS, ForwardAuth, Manner
from .sessions.verify import verify_handler
from .shipping.verdicts import verdicts
from .snowplow import endpoints as snowplow_endpoints
from .snowplow.micro import Micro
from .snowplow.redirect import Redirects
from .tokens.passport import jwks
from .unexpected import reporter
from .wire import HotRoute, HotRoutes
from .wiring import Rooms

#: Requests to /v1 and to the pages: bytes of body, and seconds to receive it.
_MAX_BODY_BYTES: Final = 1_048_576
_MAX_BODY_SECONDS: Final = 30.0
_ERASURES_REMEDY: Final = "erasures that other nodes were asked for are not carried out here; look at the disk"
#: What is below these is for people.
_PAGES: Final = ("/latch/", f"{dashboard.BASE_URL}/")


class _HttpError(EdgeError):
    """What the router itself says (no such URL, wrong method), in the form of every other error."""

    def __init__(self, error: HTTPException) -> None:
        super().__init__(
            {404: "no_such_url", 405: "method_not_allowed"}.get(error.status_code, "http_error"), error.detail
        )
        self.status = error.status_code  # type: ignore[misc]  # the one error whose status is not its class's
        self.title = error.detail  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Edge:
    """A worker's app and the hot routes that a server may answer before it.

    A server that stops calls `end_streams` first: they have no end of their own to wait for.
    """

    asgi: ASGIApp
    hot_routes: HotRoutes
    end_streams: Callable[[], None]


def build(rooms: Rooms, journal: Journal) -> Edge:
    """Everything a worker answers; its lifespan follows the store and flushes the journal.

    Raises PseudonymKeyError.
    """
    accepted = HotCount(metrics.VERIFY, "accepted")
    hot = _hot_routes(rooms, accepted)
    tell_journal = journal_metrics(journal, rooms.floods, rooms.clock)

    def every_second() -> None:
        accepted.flush()
        rooms.floods.write_down(journal.append)
        tell_journal()

    @contextlib.asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        more = (Task("erasures", all_nodes_of(rooms).take_in, _ERASURES_REMEDY, every_seconds=LOOK_SECONDS),)
        async with Running(rooms, every_second=every_second, more=more):
            yield
            # Answered hits, and the count of refused ones, are on disk before this process says goodbye.
            rooms.floods.write_down(journal.append)
            await journal.close()

    activation = activation_wiring.build(rooms)
    edge = Router(
        [
            *activation.well_known,
            *_verify_routes(rooms, hot, journal),
            *_beacon_routes(rooms, hot, journal),
            *_mail_routes(rooms, journal),
            *_system_routes(rooms, journal),
            *_snowplow_routes(rooms, journal),
        ],
        lifespan=lifespan,
        redirect_slashes=False,
    )
    paged = _limited(Router([*page_routes(rooms), *activation.pages], redirect_slashes=False))
    pages = ResponseHeaders(
        CrossOriginProtection(paged, trusted_origins=[rooms.settings.public_origin]), accept_client_hints=ACCEPT_CH
    )
    backend = Router(backend_routes(rooms), redirect_slashes=False)
    api = _limited(AccountPaths(ServiceOnly(backend, rooms.service_keys, rooms.codec, rooms.clock)))
    apps = _limited(Router(activation.apps, redirect_slashes=False))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        room = api if path.startswith("/v1/") else pages if f"{path}/".startswith(_PAGES) else edge
        if path.startswith(OAUTH_PREFIX):
            # Apps call these, from whatever origin; no cookie is looked at, so there is nothing to protect.
            room = apps
        try:
            # With an app in the scope, the router raises for 404 and 405 instead of answering in plain text.
            await room({**scope, "app": app} if scope["type"] == "http" else scope, receive, send)
        except HTTPException as error:
            raise _HttpError(error) from None

    problems = ProblemAnswers(app, hung_up=metrics.HUNG_UP.inc, unexpected=reporter(rooms.clock, "app"))
    answers = ProblemPages(problems, rooms.pages, scripts_only=("/v1/", OAUTH_PREFIX, "/verify"))
    return Edge(answers, hot, rooms.listeners.end_all)


def _limited(app: ASGIApp) -> ASGIApp:
    return RequestLimits(app, max_body_bytes=_MAX_BODY_BYTES, max_seconds=_MAX_BODY_SECONDS)


def _hot_routes(rooms: Rooms, accepted: HotCount) -> HotRoutes:
    routes: dict[bytes, HotRoute] = {
        hit.PATH: HotRoute(hit.hit_handler(rooms.clock, rooms.floods)),
        batch.PATH: HotRoute(batch.batch_handler(rooms.clock, rooms.floods), batch.HOT_BODY_BYTES),
    }
    # What Micro shows has to pass by it.
    if not rooms.settings.snowplow_micro:
        routes |= snowplow_endpoints.hot_routes(rooms.collector, rooms.settings.trackers_paths())
    for path, manner in PATHS.items():
        handler = verify_handler(
            rooms.leases,
            rooms.feed,
            rooms.clock,
            fresh_only=manner == "fresh",
            count=accepted,
            country_of=rooms.country.of if rooms.settings.tell_country else None,
        )
        routes[path.encode()] = HotRoute(handler)
    return routes


def _verify_routes(rooms: Rooms, hot: HotRoutes, journal: Journal) -> list[BaseRoute]:
    forward_auth = ForwardAuth(
        judge=rooms.judge,
        clock=rooms.clock,
        trusted=rooms.trusted,
        count=lambda outcome: metrics.VERIFY.labels(outcome).inc(),
        country_of=rooms.country.of if rooms.settings.tell_country else lambda _head: b"",
    )

    def long_way(manner: Manner) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            reply = await forward_auth.answer(head_of(scope), manner)
            await send({"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)})
            await send({"type": "http.response.body", "body": reply.body})

        return answer

    return [
        Route(path, _Asgi(hot_route_app(hot[path.encode()], journal.append, long_way(manner))))
        for path, manner in PATHS.items()
    ]


def _beacon_routes(rooms: Rooms, hot: HotRoutes, journal: Journal) -> list[BaseRoute]:
    further = beacon_endpoints.routes(rooms.clock, journal.append, verdicts, rooms.floods)
    long_way = Router(further, redirect_slashes=False)
    return [
        Route(path.decode(), _Asgi(hot_route_app(hot[path], journal.append, long_way)))
        for path in (hit.PATH, batch.PATH)
    ]


def _snowplow_routes(rooms: Rooms, journal: Journal) -> list[BaseRoute]:
    settings = rooms.settings
    micro = Micro() if settings.snowplow_micro else None
    routes = snowplow_endpoints.routes(
        rooms.collector,
        Redirects(rooms.ring, settings.link_targets()),
        settings.trackers_paths(),
        journal.append if micro is None else micro.watching(journal.append),
        lambda: journal.healthy,
    )
    return routes if micro is None else [*routes, *micro.routes()]


def _mail_routes(rooms: Rooms, journal: Journal) -> list[Route]:
    return MailAddresses(links_of(rooms), rooms.clock, journal.append, rooms.floods, rooms.pages).routes()


def _system_routes(rooms: Rooms, journal: Journal) -> list[BaseRoute]:
    async def live(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def ready(_request: Request) -> Response:
        wrong = [
            name
            for name, well in (
                ("store", rooms.feed.loaded and not rooms.feed.store_away),
                ("journal", journal.healthy),
                ("keys", not rooms.ring.missing),
            )
            if not well
        ]
        # A broken key file harms nobody yet, and may be on every host at once: a warning, not a reason to send nothing.
        warnings = (["key_file"] if rooms.ring.problem is not None else []) + rooms.place_watch.old
        told: dict[str, object] = {"ready": not wrong, "wrong": wrong, "warnings": warnings}
        troubles = rooms.node_watch.told()
        told["warnings"] = [*warnings, *troubles]
        told |= troubles
        if rooms.memory.found:
            told |= {"code": restored.CODE, "remedy": restored.REMEDY}
        return JSONResponse(told, 503 if wrong else 200, {"cache-control": "no-store"})

    async def keys(_request: Request) -> Response:
        return JSONResponse(jwks(rooms.ring), headers={"cache-control": "public, max-age=60"})

    async def scrape(_request: Request) -> Response:
        shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        try:
            text = await metric_files.scrape(Path(shared)) if shared else generate_latest()
        except metric_files.FilesHeld as error:
            return PlainTextResponse(f"{error}\n", 503)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/health/live", live),
        Route("/health/ready", ready),
        Route("/.well-known/jwks.json", keys),
        Route("/metrics", scrape),
    ]


class _Asgi:
    """Lets the router mount a plain ASGI callable for every method."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        await self._app(scope, receive, send)
