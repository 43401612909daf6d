"""A worker that lets TVs in, a TV, and somebody who may approve it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.tv import SETTINGS, Tv
from harness.worker_app import Jar, Worker, running_worker, settings_for


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker on the emptied store, with two TV apps registered."""
    async with running_worker(settings_for(store_url, tmp_path, **SETTINGS)) as running:
        yield running


@pytest.fixture
def tv(worker: Worker) -> Tv:
    """A TV that is signed in nowhere."""
    return Tv(worker)


@pytest.fixture
async def owner(worker: Worker) -> Jar:
    """A browser that is signed in as ada."""
    return await worker.signed_in()
