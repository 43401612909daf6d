"""A worker on the shared store, for the tests of sessions."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.visitor import Visitor
from harness.worker_app import Worker, running_worker, settings_for


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that follows the emptied store."""
    async with running_worker(settings_for(store_url, tmp_path)) as running:
        yield running


@pytest.fixture
async def visitor(worker: Worker) -> Visitor:
    """A remembered browser."""
    return Visitor(worker, await worker.signed_in())
