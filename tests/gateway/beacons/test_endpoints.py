"""The long way of beacons: long bodies, preflights and refused methods."""

from collections.abc import Callable

import httpx
import pytest
from starlette.applications import Starlette

from latchstring_gateway.beacons import endpoints, payload
from latchstring_gateway.beacons.floods import UNLIMITED
from latchstring_gateway.clock import ManualClock


class _Kept:
    """Stands where the journal's `append` is, and shows what it was given."""

    def __init__(self, *, keeps: bool = True) -> None:
        self.hits: list[payload.RawHit] = []
        self._keeps = keeps

    def append(self, data: bytes, done: Callable[[bool], object]) -> None:
        self.hits.append(payload.decode(data))
        done(self._keeps)


def _client(kept: _Kept) -> httpx.AsyncClient:
    app = Starlette(
        routes=endpoints.routes(ManualClock(), kept.append, lambda hit: b"verdicts of " + hit.body, UNLIMITED)
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://latch.example")


@pytest.mark.parametrize("size", [0, 70_000, 1024 * 1024])
async def test_body_up_to_one_mebibyte_is_kept_whole(size: int) -> None:
    """A long batch is as good as a short one."""
    kept = _Kept()

    response = await _client(kept).post("/b?x=1", content=b"x" * size, headers={"origin": "https://a.example"})

    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "https://a.example"
    assert (len(kept.hits[0].body), kept.hits[0].body_bytes, kept.hits[0].target) == (size, size, b"/b?x=1")


async def test_longer_body_is_answered_like_any_other_and_kept_in_part() -> None:
    """A tracker told 413 would keep the event at the head of its queue for ever."""
    kept = _Kept()

    response = await _client(kept).post("/b", content=b"x" * 3_000_000)

    assert response.status_code == 204
    assert (len(kept.hits[0].body), kept.hits[0].body_bytes) == (16 * 1024, 3_000_000)


async def test_batch_that_cannot_be_kept_is_503_with_a_time_to_come_back() -> None:
    """Nothing is answered 2xx that is not on disk."""
    response = await _client(_Kept(keeps=False)).post("/b", content=b"{}")

    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"


@pytest.mark.parametrize("preference", ["verdict", "Verdict", "wait=5, verdict", "verdict;x=1, respond-async"])
async def test_who_asks_for_verdicts_gets_them_once_the_batch_is_kept(preference: str) -> None:
    """200 with what becomes of each event, and the word that the preference was followed (RFC 7240)."""
    kept = _Kept()

    response = await _client(kept).post(
        "/b", content=b"{}", headers={"prefer": preference, "origin": "https://a.example"}
    )

    assert (response.status_code, response.text) == (200, "verdicts of {}")
    assert response.headers["content-type"] == "application/json"
    assert response.headers["preference-applied"] == "verdict"
    assert response.headers["access-control-expose-headers"] == "preference-applied"
    assert response.headers["access-control-allow-origin"] == "https://a.example"
    assert response.headers["cache-control"] == "no-store"
    assert [hit.body for hit in kept.hits] == [b"{}"]


@pytest.mark.parametrize("preference", ["", "verdicts", "wait=verdict", 'x="verdict"', "no verdict"])
async def test_other_preferences_change_nothing(preference: str) -> None:
    """204, as always."""
    response = await _client(_Kept()).post("/b", content=b"{}", headers={"prefer": preference})

    assert response.status_code == 204
    assert "preference-applied" not in response.headers


async def test_there_is_no_verdict_on_what_was_not_kept() -> None:
    """503: send it again."""
    response = await _client(_Kept(keeps=False)).post("/b", content=b"{}", headers={"prefer": "verdict"})

    assert response.status_code == 503


@pytest.mark.parametrize("path", ["/b", "/b.gif"])
async def test_preflight_lets_json_through(path: str) -> None:
    """A page of another site may send application/json, with the credentials that `sendBeacon` adds."""
    response = await _client(_Kept()).options(path, headers={"origin": "https://a.example"})

    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "https://a.example"
    assert response.headers["access-control-allow-credentials"] == "true"
    assert response.headers["access-control-allow-headers"] == "content-type, prefer"


@pytest.mark.parametrize(("method", "path"), [("PUT", "/b"), ("GET", "/b"), ("DELETE", "/b.gif"), ("POST", "/b.gif")])
async def test_method_we_do_not_take_is_405(method: str, path: str) -> None:
    """Only what our own script sends is taken on our own paths."""
    kept = _Kept()

    assert (await _client(kept).request(method, path)).status_code == 405
    assert kept.hits == []
