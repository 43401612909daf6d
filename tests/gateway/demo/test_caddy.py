"""The demo's Caddyfile in a real Caddy, before a stub gateway and a website that wants everything cached."""

import asyncio
import json
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from harness.waiting import wait_until_async
from latchstring_gateway.demo.caddy import Proxy

pytestmark = pytest.mark.edge

METHODS = ["GET", "POST"]
CACHE_ME = {
    "cache-control": "public, max-age=600",
    "expires": "Thu, 01 Jan 2032 00:00:00 GMT",
    "cdn-cache-control": "max-age=600",
    "cloudflare-cdn-cache-control": "max-age=600",
    "surrogate-control": "max-age=600",
    "x-accel-expires": "600",
    "set-cookie": "site=1",
}
IDENTITY = ("account", "session", "device", "auth-time", "level", "passport", "country")


@dataclass
class Edge:
    """The client's side, and the requests that the stub gateway saw."""

    client: httpx.AsyncClient
    port: int
    asked: list[Request] = field(default_factory=list)


async def website(request: Request) -> Response:
    """Echo the identity headers; the query says the status."""
    seen = {name: value for name, value in request.headers.items() if "latch" in name}
    status = int(request.query_params.get("status", "200"))
    hop = {name: value for name, value in request.headers.items() if name in ("upgrade", "http2-settings")}
    return JSONResponse({"seen": seen, "hop": hop, "bytes": len(await request.body())}, status, CACHE_ME)


def gateway(asked: list[Request]) -> Starlette:
    """Knows one visitor by the cookie `good`; renews for `renew`; is away for `away`."""

    async def verify(request: Request) -> Response:
        asked.append(request)
        cookie = request.headers.get("cookie", "")
        optional = request.url.path.endswith("/optional")
        if "good" not in cookie and not optional:
            headers = {"location": "/sign-in?return=x", "set-cookie": "__Host-session=; Max-Age=0", "retry-after": "2"}
            return PlainTextResponse("no", 503 if "away" in cookie else 303, headers)
        answer = Response(headers={f"x-latch-{name}": "" for name in IDENTITY})
        if "good" in cookie:
            answer.headers["x-latch-account"] = "mia"
        if "renew" in cookie:
            answer.headers["set-cookie"] = "__Host-session=new; Path=/; Secure"
        return answer

    async def other(request: Request) -> Response:
        asked.append(request)
        return PlainTextResponse("edge", headers={"strict-transport-security": "max-age=1"})

    return Starlette(
        routes=[
            Route("/verify", verify, methods=METHODS),
            Route("/verify/optional", verify, methods=METHODS),
            Route("/{path:path}", other, methods=METHODS),
        ]
    )


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    """Caddy on a free port with its own authority, trusted by the client through its root."""
    asked: list[Request] = []
    servers, tasks, ports = [], [], []
    for app in (gateway(asked), Starlette(routes=[Route("/{path:path}", website, methods=METHODS)])):
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", proxy_headers=False))
        servers.append(server)
        tasks.append(asyncio.create_task(server.serve(sockets=[listener])))
        ports.append(listener.getsockname()[1])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    proxy = Proxy(port=port, gateway=f"127.0.0.1:{ports[0]}", website=f"127.0.0.1:{ports[1]}", directory=tmp_path)
    child = proxy.child()
    process = await asyncio.create_subprocess_exec(
        *child.argv, env={**os.environ, **child.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await wait_until_async(proxy.root_certificate.exists, "Caddy has its authority")
        trust = ssl.create_default_context(cafile=proxy.root_certificate)
        origin = f"https://localhost:{port}"
        async with httpx.AsyncClient(base_url=origin, verify=trust, trust_env=False) as client:
            await wait_until_async(lambda: _answers(client), "Caddy has a certificate for localhost")
            yield Edge(client, port, asked)
    finally:
        process.terminate()
        await process.wait()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


async def _answers(client: httpx.AsyncClient) -> bool:
    """Ask for what Caddy answers by itself, so that the gateway's record stays empty."""
    try:
        return (await client.get("/hooks/")).status_code == httpx.codes.NOT_FOUND
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_a_renewed_cookie_reaches_the_browser_and_no_cache(edge: Edge, status: int) -> None:
    """Whatever the website says of caching, and whatever its status, beside its own cookie."""
    answer = await edge.client.get(f"/watch/x?status={status}", headers={"cookie": "good renew"})

    assert answer.status_code == status
    assert answer.headers.get_list("set-cookie") == ["site=1", "__Host-session=new; Path=/; Secure"]
    assert answer.headers.get_list("cache-control") == ["private, no-store"]
    assert not [name for name in answer.headers if name in CACHE_ME and name not in ("cache-control", "set-cookie")]


async def test_without_a_renewal_the_website_s_caching_stands(edge: Edge) -> None:
    """Nothing is touched that need not be."""
    answer = await edge.client.get("/watch/x", headers={"cookie": "good"})

    assert answer.headers["cache-control"] == "public, max-age=600"
    assert answer.headers.get_list("set-cookie") == ["site=1"]


@pytest.mark.parametrize(("cookie", "status"), [("", 303), ("away", 503)])
async def test_a_refusal_goes_to_the_browser_as_it_is(edge: Edge, cookie: str, status: int) -> None:
    """Status, Location, Retry-After and the one cookie of the gateway's answer."""
    answer = await edge.client.get("/account", headers={"cookie": cookie} if cookie else {})

    assert answer.status_code == status
    assert (answer.headers["location"], answer.headers["retry-after"]) == ("/sign-in?return=x", "2")
    assert answer.headers.get_list("set-cookie") == ["__Host-session=; Max-Age=0"]


@pytest.mark.parametrize(
    "name", ["X-Latch-Account", "x_latch_account", "X.Latch.Account", "X-Latch_Account", "X-LATCHX"]
)
@pytest.mark.parametrize("path", ["/", "/watch/x"])
async def test_an_identity_header_of_the_client_never_arrives(edge: Edge, path: str, name: str) -> None:
    """In no spelling, on public pages and protected ones: the website sees only what the gateway said."""
    answer = await edge.client.get(path, headers={name: "evil", "cookie": "good" if path != "/" else "none"})

    seen = answer.json()["seen"]
    assert sorted(seen) == sorted(f"x-latch-{one}" for one in IDENTITY)
    assert "evil" not in json.dumps(seen)


async def test_the_gateway_is_told_method_and_target_and_no_body(edge: Edge) -> None:
    """The sub-request is a GET; the body goes to the website whole."""
    answer = await edge.client.post("/account?a=1", content=b"x" * 70_000, headers={"cookie": "good"})

    [asked] = edge.asked
    assert (asked.method, asked.url.path) == ("GET", "/verify")
    assert (asked.headers["x-forwarded-method"], asked.headers["x-forwarded-uri"]) == ("POST", "/account?a=1")
    assert asked.headers["x-latch-content-length"] == "70000"
    assert answer.json()["bytes"] == 70_000


async def test_a_hit_carries_an_id_of_the_proxy(edge: Edge) -> None:
    """Each request another, whatever the client claims."""
    for _ in range(2):
        await edge.client.get("/b.gif?p=/", headers={"x-latch-hit": "evil"})

    ids = [one.headers["x-latch-hit"] for one in edge.asked]
    assert len(set(ids)) == 2
    assert "evil" not in ids


async def test_what_is_internal_stays_inside(edge: Edge) -> None:
    """Hooks cannot be posted from outside; /verify, /v1 and /metrics lead to the website, never to the gateway."""
    refused = await edge.client.post("/hooks/latchstring")
    for path in ("/verify", "/v1/sessions", "/metrics"):
        await edge.client.get(path)

    assert refused.status_code == 404
    assert {one.url.path for one in edge.asked} == {"/verify/optional"}


async def test_localhost_is_not_pinned_to_https(edge: Edge) -> None:
    """The gateway's HSTS would break every other local website of this browser."""
    answer = await edge.client.get("/latch/devices")

    assert answer.text == "edge"
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize("url", ["/dashboard", "/dashboard/sign-in", "/dashboard/reports/pages?format=csv"])
async def test_the_dashboard_is_the_gateways_own(edge: Edge, url: str) -> None:
    """It has a sign-in of its own, so nothing is asked of the members' one."""
    answer = await edge.client.get(url)

    assert answer.text == "edge"
    assert [request.url.path for request in edge.asked] == [url.partition("?")[0]]


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "websocket, h2c"])
async def test_the_website_is_offered_no_other_protocol(edge: Edge, protocol: str) -> None:
    """`Upgrade: h2c` made a tunnel to the website, through which a stranger could write any identity header."""
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": protocol, "http2-settings": "AAMAAABk"}

    answer = await edge.client.get("/", headers=offer)

    assert answer.status_code == 200
    assert answer.json()["hop"] == {}


async def test_the_demo_opens_no_tunnel_by_method(edge: Edge) -> None:
    """CONNECT would be one; TRACE would show what the proxy adds to a request."""
    assert [(await edge.client.request(method, "/")).status_code for method in ("TRACE", "CONNECT")] == [405, 405]


async def test_no_spelling_of_a_members_path_is_a_page_for_everybody(edge: Edge) -> None:
    """`/account;x` got the rule of the catalogue, and many a server cuts ";x" off."""
    tails = ("", ";x", "%3Bx", "%20", "%09", ".", ".json", ";x/more", "/more", "//", "%00", "%5c")
    heads = ("/account", "/Account", "//account", "/;/account", "/;x/account", "/%20account", "/watch", "/activity")
    spelled = [head + tail for head in heads for tail in tails]

    statuses = {path: (await edge.client.get(f"https://localhost:{edge.port}{path}")).status_code for path in spelled}

    assert {path: status for path, status in statuses.items() if status not in (303, 400)} == {}
    assert (await edge.client.post("/hooks;x/latchstring")).status_code == 404
    assert (await edge.client.get("/accounts;x")).status_code == 200
