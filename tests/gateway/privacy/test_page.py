"""The choices page, as a browser without script meets it."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from harness.worker_app import Jar, Worker, running_worker, set_cookies, settings_for

_SAME_ORIGIN = {"sec-fetch-site": "same-origin", "origin": "https://www.example.com"}
_URL = "/latch/choices"


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that follows the emptied store."""
    async with running_worker(settings_for(store_url, tmp_path)) as running:
        yield running


async def _choose(worker: Worker, jar: Jar, fields: dict[str, str], **headers: str) -> httpx.Response:
    # As a browser: a form without a ticked box is an empty body of the same type.
    headers = {**_SAME_ORIGIN, "cookie": jar.header(), "content-type": "application/x-www-form-urlencoded", **headers}
    answer = await worker.client.post(_URL, content=urlencode(fields), headers=headers)
    jar.take(set_cookies(answer))
    return answer


async def _shown(worker: Worker, jar: Jar, url: str = _URL, **headers: str) -> str:
    answer = await worker.client.get(url, headers={"cookie": jar.header(), **headers})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-store"
    return answer.text


async def test_a_choice_is_kept_and_shown(worker: Worker) -> None:
    """Nothing is ticked before; what was ticked stays so, and taking it back clears the visitor cookie."""
    jar = Jar()
    assert " checked" not in await _shown(worker, jar)

    answer = await _choose(worker, jar, {"analytics": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{_URL}?saved=1")
    assert answer.headers["cache-control"] == "private, no-store"
    assert sorted(jar) == ["__Host-choices", "__Host-visitor"]
    shown = await _shown(worker, jar, f"{_URL}?saved=1")
    assert shown.count(" checked") == 1
    assert "Saved." in shown

    await _choose(worker, jar, {})
    assert sorted(jar) == ["__Host-choices"]
    assert " checked" not in await _shown(worker, jar)


async def test_nothing_is_called_saved_in_a_browser_without_cookies(worker: Worker) -> None:
    """The page tells only what is true."""
    assert "Saved." not in await _shown(worker, Jar(), f"{_URL}?saved=1")


async def test_gpc_is_told_where_sharing_is_asked(worker: Worker) -> None:
    """Exactly `1` counts."""
    assert "Global Privacy Control" in await _shown(worker, Jar(), **{"sec-gpc": "1"})
    assert "Global Privacy Control" not in await _shown(worker, Jar(), **{"sec-gpc": "0"})


async def test_a_new_version_of_the_policy_asks_again(store_url: str, tmp_path: Path, worker: Worker) -> None:
    """A choice made under another version still holds, and the page says that the policy has changed."""
    jar = Jar()
    await _choose(worker, jar, {"analytics": "1"})
    assert "has changed since you chose" not in await _shown(worker, jar)

    async with running_worker(settings_for(store_url, tmp_path, policy_version="2")) as later:
        shown = await _shown(later, jar)

    assert "has changed since you chose" in shown
    assert " checked" in shown


async def test_other_sites_and_bad_forms_choose_nothing(worker: Worker) -> None:
    """Refused with 4xx, and no cookie is set."""
    jar = Jar()
    from_elsewhere = await _choose(
        worker, jar, {"analytics": "1"}, **{"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    )
    twice = await worker.client.post(
        _URL,
        content=b"analytics=1&analytics=0",
        headers={**_SAME_ORIGIN, "content-type": "application/x-www-form-urlencoded"},
    )
    no_form = await worker.client.post(_URL, json={"analytics": True}, headers=_SAME_ORIGIN)

    assert (from_elsewhere.status_code, twice.status_code, no_form.status_code) == (403, 400, 415)
    assert [set_cookies(answer) for answer in (from_elsewhere, twice, no_form)] == [[], [], []]
    assert jar == {}
