"""The website's own way to ask for choices and to read them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.worker_app import Jar, Worker, running_worker, settings_for
from latchstring_gateway.ids import is_id


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that follows the emptied store."""
    async with running_worker(settings_for(store_url, tmp_path)) as running:
        yield running


async def test_a_website_asks_on_its_own_page(worker: Worker) -> None:
    """It relays the lines, and reads later what was chosen and which visitor it is."""
    jar = Jar()
    chosen = await worker.api("POST", "/v1/choices", {"analytics": True, "sharing": False})
    jar.take(chosen.json()["set_cookie"])
    read = await worker.api("POST", "/v1/choices/read", {"cookie": jar.header()})

    told = read.json()
    assert is_id(told["visitor"])
    assert told["choices"].pop("chosen_at_ms") > 1_700_000_000_000
    assert told["choices"] == {"analytics": True, "sharing": False, "policy_version": "1", "is_current": True}

    again = await worker.api("POST", "/v1/choices", {"analytics": False, "sharing": False, "cookie": jar.header()})
    jar.take(again.json()["set_cookie"])
    read = await worker.api("POST", "/v1/choices/read", {"cookie": jar.header()})
    assert read.json()["visitor"] is None
    assert read.json()["choices"]["analytics"] is False


async def test_who_never_chose_has_no_choices(worker: Worker) -> None:
    """Null, not a guess; junk is no choice either."""
    for cookie in ("", "__Host-choices=junk; __Host-visitor=junk", "\u20ac"):
        read = await worker.api("POST", "/v1/choices/read", {"cookie": cookie})
        assert read.json() == {"choices": None, "visitor": None}


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/v1/choices", {}),
        ("/v1/choices", {"analytics": 1, "sharing": False}),
        ("/v1/choices", {"analytics": True, "sharing": False, "more": 1}),
        ("/v1/choices/read", {}),
        ("/v1/choices/read", {"cookie": "x" * 16_385}),
    ],
)
async def test_a_wrong_field_is_named(worker: Worker, url: str, body: Any) -> None:
    """400 with a code, and nothing is set."""
    answer = await worker.api("POST", url, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_field")
