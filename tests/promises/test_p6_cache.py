"""P6: a careless cache before the recipes of real nginx and Caddy never hands a visitor's cookie to anybody else."""

import asyncio
import secrets
from collections.abc import Iterator

import pytest

from harness.edge_browser import Browser
from harness.edge_gateway import EchoWebsite, EdgeGateway
from harness.evidence import Evidence, breaks, pick
from harness.proxies import STARTERS, Certificate, Proxy, start_cache

pytestmark = [pytest.mark.edge, pytest.mark.timeout(pick(short=180, long=600))]

_ROUNDS = pick(short=1, long=100)
_VISITORS = 12
#: What the website answers with, each inviting every cache.
_STATUSES = (200, 203, 301, 404, 410)
#: Leases of these tests live 2 s and are renewed from two thirds on.
_DUE_SECONDS = 1.5

#: What the mistake `cookies-are-cached` takes out of each recipe.
_WITHOUT_NO_STORE = {
    "nginx": (
        ('    add_header Cache-Control "private, no-store" always;\n', ""),
        ("    proxy_hide_header Cache-Control;\n", ""),
        ("    proxy_hide_header Expires;\n", ""),
    ),
    "caddy": (
        ('\t\theader @renewed Cache-Control "private, no-store"\n', ""),
        ('\t\t\tCache-Control "private, no-store"\n', ""),
    ),
}


@pytest.fixture(params=sorted(STARTERS))
def cached(
    request: pytest.FixtureRequest, certificate: Certificate, gateway: EdgeGateway, website: EchoWebsite
) -> Iterator[Proxy]:
    """A cache before a recipe, which has a mistake if the run asks for it."""
    changes = _WITHOUT_NO_STORE[request.param] if breaks("cookies-are-cached") else ()
    edge = STARTERS[request.param](certificate, gateway.address, website.address, *changes)
    cache = start_cache(certificate, edge)
    yield cache
    cache.close()
    edge.close()


async def test_no_cookie_of_one_visitor_comes_to_another(
    cached: Proxy, gateway: EdgeGateway, evidence: Evidence
) -> None:
    """Visitors whose cookies are renewed, and strangers who then ask the cache for the same pages."""
    trials = violations = kept = 0
    for _ in evidence.trials(_ROUNDS, seconds=30):
        visitors = [Browser(cached, gateway.sign_in("alice")["set_cookie"]) for _ in range(_VISITORS)]
        stranger = Browser(cached)
        await asyncio.sleep(_DUE_SECONDS)
        for visitor in visitors:
            target = f"/public/film?cache=1&status={secrets.choice(_STATUSES)}&x={secrets.token_hex(8)}"
            renewed = bool(visitor.ask(target).all("set-cookie"))
            for _ in range(2):
                trials += renewed
                answer = stranger.ask(target, keep=False)
                violations += bool(answer.all("set-cookie")) or "alice" in str(answer.json())
                kept += answer.one("x-cache-status") == "HIT"
        for one in (*visitors, stranger):
            one.close()

    assert kept > 0, "the cache stores what it may"
    evidence.row(
        promise="P6",
        tried="renewed cookies on pages that invite caching, then asked for by strangers through a careless cache",
        trials=trials,
        violations=violations,
    )
