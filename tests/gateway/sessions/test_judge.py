"""Who of another origin may read a refusal, and whose preflights pass."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from harness.valkey import Valkey
from harness.waiting import wait_until_async
from harness.worker_app import IDENTITY, RUN, Worker, running_worker, settings_for

_APP = "https://app.example.com"
_CORS = ("access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers")


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that lets scripts of the app read refusals."""
    origins = f"{_APP}, https://Second.example.com:8443"
    async with running_worker(settings_for(store_url, tmp_path, cors_origins=origins)) as running:
        yield running


def _is_readable(answer: httpx.Response, origin: str = _APP) -> bool:
    return [answer.headers.get(name) for name in _CORS] == [origin, "true", "Retry-After, WWW-Authenticate, DPoP-Nonce"]


async def test_scripts_of_an_allowed_origin_can_read_why(worker: Worker) -> None:
    """401 and step-up carry the origin itself and allow credentials; Vary says that the answer is for it alone."""
    jar = await worker.signed_in()
    del jar[RUN]

    nobody = await worker.verify(None, origin=_APP)
    second = await worker.verify(None, origin="https://second.example.com:8443")
    stale = await worker.verify(jar, "/fresh", origin=_APP)
    post = await worker.verify(None, origin=_APP, x_forwarded_method="POST")

    assert (nobody.status_code, stale.status_code, post.status_code) == (401, 401, 401)
    assert all(map(_is_readable, (nobody, stale, post)))
    assert _is_readable(second, "https://second.example.com:8443")
    assert {answer.headers["vary"] for answer in (nobody, second, stale, post)} == {"Origin"}
    assert nobody.headers["content-length"] == str(len(nobody.content))


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com.evil.example",
        "https://app.example.com:443",
        "https://APP.example.com",
        "null",
        "*",
        "",
        "https://app.example.com, https://evil.example",
    ],
)
async def test_scripts_of_others_cannot(worker: Worker, origin: str) -> None:
    """Compared as a whole; the answer still varies by origin."""
    answer = await worker.verify(None, origin=origin)

    assert answer.status_code == 401
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["vary"] == "Origin"


async def test_an_origin_that_came_twice_is_nobodys(worker: Worker) -> None:
    """Whoever added the second one is not to be trusted with the first."""
    headers = [("origin", _APP), ("origin", "https://evil.example")]

    answer = await worker.client.get("/verify", headers=headers)

    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_preflight_of_an_allowed_origin_passes_as_nobodys(worker: Worker) -> None:
    """It carries no cookie by design; the website answers it, with blank identity on every path."""
    asks = {"x_forwarded_method": "OPTIONS", "origin": _APP, "access_control_request_method": "DELETE"}

    for path in ("", "/fresh", "/background", "/optional"):
        answer = await worker.verify(None, path, **asks)

        assert answer.status_code == 200
        assert [answer.headers[name] for name in IDENTITY] == [""] * 6


@pytest.mark.parametrize(
    "asks",
    [
        {"x_forwarded_method": "OPTIONS", "origin": "https://evil.example", "access_control_request_method": "GET"},
        {"x_forwarded_method": "OPTIONS", "origin": _APP},
        {"x_forwarded_method": "OPTIONS", "access_control_request_method": "GET"},
        {"x_forwarded_method": "GET", "origin": _APP, "access_control_request_method": "GET"},
        {"x_forwarded_method": "POST", "origin": _APP, "access_control_request_method": "GET"},
    ],
)
async def test_what_only_looks_like_a_preflight_does_not_pass(worker: Worker, asks: dict[str, str]) -> None:
    """Only OPTIONS, of an allowed origin, that asks for a method."""
    assert (await worker.verify(None, **asks)).status_code == 401


async def test_a_navigation_and_a_deployment_without_origins_say_nothing_of_it(store_url: str, tmp_path: Path) -> None:
    """No origin is allowed by default, and then no answer differs."""
    async with running_worker(settings_for(store_url, tmp_path)) as plain:
        answers = [await plain.verify(None, origin=_APP), await plain.navigate(None, origin=_APP)]

    assert [answer.status_code for answer in answers] == [401, 303]
    assert not [name for answer in answers for name in answer.headers if name.startswith(("access-control", "vary"))]


@pytest.mark.store
async def test_come_back_later_is_readable_too(own_valkey: Callable[[], Valkey], tmp_path: Path) -> None:
    """A script must be able to tell an outage from a sign-out."""
    valkey = own_valkey()
    settings = settings_for(valkey.url, tmp_path, cors_origins=_APP, outage_rule="closed", fence_seconds=0.3)
    async with running_worker(settings) as worker:
        jar = await worker.signed_in()
        valkey.stop()
        await wait_until_async(lambda: not worker.rooms.feed.holds(), "the fence to run out")

        answer = await worker.verify(jar, origin=_APP)

    assert (answer.status_code, answer.json()["code"]) == (503, "store_away")
    assert _is_readable(answer)
