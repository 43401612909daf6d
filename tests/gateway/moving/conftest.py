"""A worker with a bridge to the website as it was, for the tests of moving in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.old_website import COOKIE, OldWebsite, old_website
from harness.worker_app import Worker, running_worker, settings_for


@pytest.fixture
async def website() -> AsyncIterator[OldWebsite]:
    """The website that vouches."""
    async with old_website() as running:
        yield running


@pytest.fixture
async def worker(store_url: str, tmp_path: Path, website: OldWebsite) -> AsyncIterator[Worker]:
    """A worker on the emptied store that asks it."""
    settings = settings_for(store_url, tmp_path, bridge_url=website.url, bridge_cookie=COOKIE)
    async with running_worker(settings) as running:
        yield running
