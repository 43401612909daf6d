"""Every URL a tracker may use: never 404, 405 or 413 to it, and nothing of ours given away to it."""

from collections.abc import Callable

import httpx
import pytest
from starlette.applications import Starlette

from latchstring_gateway.beacons import payload
from latchstring_gateway.beacons.floods import Floods
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.snowplow import endpoints
from latchstring_gateway.snowplow.collector import Collector
from latchstring_gateway.snowplow.network_user import NetworkUsers
from latchstring_gateway.snowplow.redirect import Redirects
from latchstring_gateway.tokens.keyfile import dump, new_key
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_middleware.forwarded import TrustedProxies

TP2 = "/com.snowplowanalytics.snowplow/tp2"
OWN = "/acme/track"


class _World:
    """The URLs over a journal that keeps all, or nothing."""

    def __init__(self, *, keeps: bool = True, hits_per_client: float = 0) -> None:
        self.hits: list[payload.RawHit] = []
        self._keeps = keeps
        ring = KeyRing.from_json(dump([new_key(0, not_before_ms=0)]), ManualClock())
        users = NetworkUsers(ring, name="sp")
        floods = Floods(TrustedProxies.parse(""), ManualClock(), per_second=hits_per_client)
        collector = Collector(users, TrustedProxies.parse("127.0.0.1"), ManualClock(), floods)
        self.redirects = Redirects(ring, ["https://www.example.com"])
        routes = endpoints.routes(collector, self.redirects, [OWN], self._append, lambda: self._keeps)
        transport = httpx.ASGITransport(Starlette(routes=routes))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://latch.example")

    def _append(self, data: bytes, done: Callable[[bool], object]) -> None:
        if self._keeps:
            self.hits.append(payload.decode(data))
        done(self._keeps)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", [TP2, "/com.acme.shop/v2", "/com.snowplowanalytics.iglu/v1", "/i", "/ice.png", OWN])
async def test_every_path_takes_every_method_of_a_tracker(path: str, method: str) -> None:
    """200 and kept, whatever it says."""
    world = _World()

    answer = await world.client.request(method, path + "?e=pv", content=b"foo" if method == "POST" else None)

    assert answer.status_code == 200
    assert answer.headers["set-cookie"].startswith("sp=")
    assert len(world.hits) == 1
    assert world.hits[0].target.decode() == (TP2 if path == OWN else path) + "?e=pv"


@pytest.mark.parametrize("path", [TP2, OWN, "/com.acme/x"])
@pytest.mark.parametrize(("size", "kept"), [(0, 0), (70_000, 70_000), (1024 * 1024, 1024 * 1024), (3_000_000, 16_384)])
async def test_body_of_any_length_is_taken(path: str, size: int, kept: int) -> None:
    """413 would stand at the head of a browser's queue for ever; what is too long is kept in part, and judged bad."""
    world = _World()

    answer = await world.client.post(path, content=b"x" * size)

    assert (answer.status_code, answer.text) == (200, "ok")
    assert (len(world.hits[0].body), world.hits[0].body_bytes) == (kept, size)


@pytest.mark.parametrize("path", [TP2, "/i", OWN, "/com.acme/x"])
async def test_preflight_lets_trackers_through(path: str) -> None:
    """JSON and SP-Anonymous, with credentials; nothing is counted."""
    world = _World()
    origin = {"origin": "https://www.example.com", "access-control-request-headers": "content-type,sp-anonymous"}

    answer = await world.client.options(path, headers=origin)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://www.example.com"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-headers"] == "Content-Type, SP-Anonymous"
    assert answer.headers["access-control-max-age"] == "3600"
    assert "set-cookie" not in answer.headers
    assert world.hits == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("size", [10, 2_000_000])
async def test_hit_that_cannot_be_kept_is_503(method: str, size: int) -> None:
    """The tracker tries again; nothing is answered 2xx that is not on disk, and no cookie is set for it."""
    world = _World(keeps=False)

    answer = await world.client.request(method, TP2, content=b"x" * size if method == "POST" else None)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", [TP2, "/r/tp2?u=https://www.example.com/"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_what_no_tracker_sends_is_405(method: str, path: str) -> None:
    """With the methods that are taken."""
    answer = await _World().client.request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")


@pytest.mark.parametrize(
    "path", ["/verfy/fresh", "/acme/other", "/.env/x", "/com.acme", "/com.acme/a/b", "/com./x", "/"]
)
async def test_what_is_no_vendor_is_404(path: str) -> None:
    """A proxy that asks for /verfy by mistake must never hear 200: it would let everybody in."""
    world = _World()

    assert (await world.client.get(path)).status_code == 404
    assert (await world.client.post(path)).status_code == 404
    assert world.hits == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_redirect_leads_where_it_may_and_is_counted(method: str) -> None:
    """With the cookie, kept by no cache; a target that is sealed need not be in the list."""
    world = _World()

    for path in ("/r/tp2?u=https%3A%2F%2Fwww.example.com%2Fsale", world.redirects.sealed("https://partner.example/x")):
        answer = await world.client.request(method, path)

        assert answer.status_code == 302
        assert "no-store" in answer.headers["cache-control"]
        assert answer.headers["set-cookie"].startswith("sp=")
    assert answer.headers["location"] == "https://partner.example/x"
    assert len(world.hits) == 2


async def test_redirect_to_elsewhere_is_refused_and_kept() -> None:
    """400 and no Location, and the hit is kept; one that cannot be kept leads nowhere."""
    world = _World()

    answer = await world.client.get("/r/tp2?u=https%3A%2F%2Fevil.example%2F&aid=x")

    assert (answer.status_code, answer.content) == (400, b"")
    assert "location" not in answer.headers
    assert len(world.hits) == 1
    lost = await _World(keeps=False).client.get("/r/tp2?u=https%3A%2F%2Fwww.example.com%2F")
    assert lost.status_code == 503
    assert "location" not in lost.headers


async def test_flood_is_refused_by_redirects_too() -> None:
    """With the headers that let a page's script read it, and no Location."""
    world = _World(hits_per_client=1)
    target = "/r/tp2?u=https%3A%2F%2Fwww.example.com%2F"

    answers = [await world.client.get(target, headers={"origin": "https://a.example"}) for _ in range(15)]

    assert [answer.status_code for answer in answers] == [302] * 11 + [429] * 4
    assert "location" not in answers[-1].headers
    assert answers[-1].headers["access-control-allow-origin"] == "https://a.example"


async def test_health_as_load_balancers_of_the_collector_ask() -> None:
    """`/health` is about the process, `/sink-health` about whether hits can be kept."""
    for world, status, text in ((_World(), 200, "ok"), (_World(keeps=False), 503, "Service Unavailable")):
        assert (await world.client.get("/health")).text == "ok"
        sink = await world.client.get("/sink-health")
        assert (sink.status_code, sink.text) == (status, text)
        assert "Disallow: /" in (await world.client.get("/robots.txt")).text
