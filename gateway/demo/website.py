"""Lantern, a tiny streaming website behind the proxy: it checks passwords, and leaves everything else to the edge.

What it shows: handing a sign-in over (`POST /v1/sessions`), reading the identity headers that the proxy sets, including
the edge's script for views and viewing, receiving hooks. It listens on the loopback address only; the proxy has already
dropped every `X-Latch-*` header of the client, so what arrives here is the edge's word.

    GET  /                    the catalogue, for everybody
    GET  /sign-in             e-mail, password, "Remember me on this computer"; POST the same
    GET  /watch/{slug}        for members: a film whose viewing is told
    GET  /account             for members: devices, sign-out, hooks received
    GET  /activity            for members: the same hooks as JSON
    POST /hooks/latchstring   Standard Webhooks
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import httpx
from jinja2 import Environment
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from latchstring_middleware.cross_origin import refuses
from latchstring_middleware.identity_headers import account_from_header

from ..beacons.script import noscript_tag, script_tag
from ..clock import Clock, SystemClock
from ..errors import EdgeError
from ..pages.forms import form_fields
from ..pages.language import english
from ..pages.look import Look
from ..pages.render import PAGE_HEADERS, environment, frame
from ..pages.static import StaticFile, static_files
from ..pages.words import moment
from . import catalogue
from .inbox import Inbox
from .prepare import read_secrets

SITE_NAME: Final = "Lantern"
#: What its events say in the field `app`.
APP: Final = "lantern"
STATIC_PREFIX: Final = "/static"

_HEADERS: Final = {
    **PAGE_HEADERS,
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}
_AWAY: Final = "Signing in is not possible right now. Nothing is wrong with your password; please try again shortly."


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who the edge says is there; the account is empty for a stranger."""

    account: str
    level: str
    authenticated_at_ms: int


def visitor_of(headers: Headers) -> Visitor:
    """Read the identity headers, which are all present and blank for a stranger."""
    seconds = headers.get("x-latch-auth-time", "")
    at_ms = int(seconds) * 1_000 if seconds.isdecimal() else 0
    return Visitor(account_from_header(headers.get("x-latch-account", "")), headers.get("x-latch-level", ""), at_ms)


@cache
def _files() -> dict[str, StaticFile]:
    return static_files(__package__)


@cache
def _templates() -> Environment:
    """Our templates over the edge's page frame: one family."""
    templates = environment(__package__)
    templates.globals["own_url"] = lambda name: f"{STATIC_PREFIX}/{_files()[name].name}"
    templates.globals["page_script"] = Markup(script_tag(app=APP))  # noqa: S704 - HTML that is made to be put in
    templates.globals["page_pixel"] = Markup(noscript_tag(app=APP))  # noqa: S704 - the same
    return templates


class Website:
    """The endpoints. `gateway` is an httpx client of the edge that carries the service credential."""

    def __init__(self, gateway: httpx.AsyncClient, inbox: Inbox, clock: Clock) -> None:
        self._gateway = gateway
        self._inbox = inbox
        self._clock = clock

    def routes(self) -> list[Route]:
        """Every route of the website."""
        return [
            Route("/", self.home),
            Route("/sign-in", self.ask_sign_in),
            Route("/sign-in", self.sign_in, methods=["POST"]),
            Route("/watch/{slug}", self.watch),
            Route("/account", self.account),
            Route("/activity", self.activity),
            Route("/hooks/latchstring", self.hook, methods=["POST"]),
            Route("/static/{name}", self.static),
        ]

    async def home(self, request: Request) -> Response:
        """The catalogue."""
        return self._page(request, "home.html", titles=catalogue.TITLES)

    async def watch(self, request: Request) -> Response:
        """One film."""
        title = catalogue.find(request.path_params["slug"])
        if not visitor_of(request.headers).account:
            return RedirectResponse("/sign-in", 303)
        if title is None:
            return self._page(request, "gone.html", status=404)
        return self._page(request, "watch.html", title=title)

    async def account(self, request: Request) -> Response:
        """Who is signed in, and what the edge told us."""
        visitor = visitor_of(request.headers)
        if not visitor.account:
            return RedirectResponse("/sign-in", 303)
        now_ms = self._clock.wall_ms()
        events = [
            {"words": event.words, "type": event.type, "id": event.id, "at": moment(event.at_ms, now_ms, english())}
            for event in self._inbox.of(visitor.account)
        ]
        return self._page(
            request,
            "account.html",
            events=events,
            level=visitor.level,
            signed_in_at=moment(visitor.authenticated_at_ms, now_ms, english())
            if visitor.authenticated_at_ms
            else None,
        )

    async def activity(self, request: Request) -> Response:
        """The hooks of the account that asks."""
        account = visitor_of(request.headers).account
        if not account:
            challenge = {"www-authenticate": 'Bearer realm="lantern"'}
            return JSONResponse({"code": "not_signed_in"}, 401, {"cache-control": "no-store", **challenge})
        events = [{"id": one.id, "type": one.type, "data": one.data} for one in self._inbox.of(account)]
        return JSONResponse({"events": events}, headers={"cache-control": "private, no-store"})

    async def ask_sign_in(self, request: Request) -> Response:
        """The form; `return` is the edge's sealed note of where the visitor wanted to go."""
        return self._sign_in_page(request, return_to=request.query_params.get("return", ""))

    async def sign_in(self, request: Request) -> Response:
        """Check the password, hand the sign-in to the edge and relay its cookies."""
        try:
            fields = await form_fields(request)
        except EdgeError as error:
            return PlainTextResponse(error.title, error.status)
        email, return_to = fields.get("email", "").strip(), fields.get("return", "")
        # Else another website's form could sign visitors in to an account of its own, and watch what they do there.
        if refuses(request.method, request.scope["headers"]) is not None:
            return self._sign_in_page(
                request, return_to=return_to, problem="Please sign in from this page.", status=403
            )
        if not catalogue.password_is_right(email, fields.get("password", "")):
            wrong = "E-mail address and password do not belong together. Please check both."
            return self._sign_in_page(request, email=email, return_to=return_to, problem=wrong, status=400)
        try:
            started = await self._start_session(request, email, fields, return_to)
        except httpx.HTTPError:
            return self._sign_in_page(request, email=email, return_to=return_to, problem=_AWAY, status=503)
        response = RedirectResponse(started["continue_to"], 303, {"cache-control": "private, no-store"})
        for line in started["set_cookie"]:
            response.headers.append("set-cookie", line)
        return response

    async def _start_session(
        self, request: Request, email: str, fields: dict[str, str], return_to: str
    ) -> dict[str, Any]:
        headers = request.headers
        answer = await self._gateway.post(
            "/v1/sessions",
            json={
                "account": email,
                "remember": fields.get("remember") == "yes",
                "authenticated_at_ms": self._clock.wall_ms(),
                "method": "password",
                "browser": {
                    "cookie": headers.get("cookie", ""),
                    "user_agent": headers.get("user-agent", ""),
                    "address": headers.get("x-forwarded-for", "").rpartition(",")[2].strip(),
                    "accept_language": headers.get("accept-language", ""),
                    "client_hints": {name: text for name, text in headers.items() if name.startswith("sec-ch-ua")},
                },
                "return": return_to or None,
            },
        )
        # One device too many: cookie and address lead to the edge's page, where the visitor chooses what to sign out.
        if answer.status_code != httpx.codes.CONFLICT or answer.json().get("code") != "too_many_devices":
            answer.raise_for_status()
        started: dict[str, Any] = answer.json()
        return started

    async def hook(self, request: Request) -> Response:
        """204 for an event whose signature is right, also when it comes again; else 400. No browser can sign one."""
        taken = self._inbox.take(await request.body(), dict(request.headers))
        return Response(status_code=204 if taken else 400)

    async def static(self, request: Request) -> Response:
        """Style, script: at addresses that carry their hash."""
        for file in _files().values():
            if file.name == request.path_params["name"]:
                kept = {"cache-control": "public, max-age=31536000, immutable"}
                return Response(file.content, media_type=file.media_type, headers=kept)
        return PlainTextResponse("not found", 404)

    def _sign_in_page(
        self, request: Request, *, return_to: str, email: str = "", problem: str = "", status: int = 200
    ) -> Response:
        return self._page(
            request,
            "sign_in.html",
            status=status,
            email=email,
            return_to=return_to,
            problem=problem,
            members=catalogue.MEMBERS,
        )

    def _page(self, request: Request, name: str, *, status: int = 200, **context: object) -> HTMLResponse:
        account = visitor_of(request.headers).account
        html = _templates().get_template(name).render(account=account, **frame(SITE_NAME, english(), Look()), **context)
        return HTMLResponse(html, status, _HEADERS)


def application(*, gateway_url: str, credential: str, hook_secret: str, clock: Clock) -> Starlette:
    """The website as an ASGI app that closes its connections when it ends."""
    # The edge is on this machine: a proxy from the environment must not see the credential.
    gateway = httpx.AsyncClient(
        base_url=gateway_url, headers={"authorization": f"Bearer {credential}"}, timeout=10, trust_env=False
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with gateway:
            yield

    return Starlette(routes=Website(gateway, Inbox(hook_secret), clock).routes(), lifespan=lifespan)


def from_environment() -> Starlette:
    """The website of `latchstring demo`, which sets LANTERN_DATA (its directory) and LANTERN_GATEWAY (a URL)."""
    known = read_secrets(Path(os.environ["LANTERN_DATA"]))
    return application(
        gateway_url=os.environ["LANTERN_GATEWAY"],
        credential=known.credential,
        hook_secret=known.hook_secret,
        clock=SystemClock(),
    )
