"""The format number of a store: written by its first user, and a newer one is trusted by nobody."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.waiting import wait_until_async
from harness.worker_app import running_worker, settings_for
from latchstring_gateway.cli.main import app
from latchstring_gateway.format_mark import FORMAT, NEEDS, Mark, NewerFormatError
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store
from latchstring_gateway.store.format_check import FormatWatch, StoreIsNewer, mark_store
from latchstring_gateway.tokens.keyring import create_key_file

pytestmark = pytest.mark.store


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """The shared store, emptied."""
    one = Store(store_url)
    yield one
    await one.close()


async def _write(store: Store, number: int, needs: int) -> None:
    await store.redis.hset(keys.DEPLOYMENT, mapping={"format": number, "format_needs": needs})


async def test_a_store_is_marked_by_its_first_user(store: Store) -> None:
    """One of a release that wrote no mark, too; a later release's mark stays."""
    assert await mark_store(store) == Mark(0, 0)
    assert await mark_store(store) == Mark(FORMAT, NEEDS)
    await _write(store, FORMAT + 1, FORMAT)
    assert await mark_store(store) == Mark(FORMAT + 1, FORMAT)
    assert await mark_store(store) == Mark(FORMAT + 1, FORMAT)


async def test_a_newer_store_is_refused_and_left_as_it_is(store: Store) -> None:
    """In words, for `serve`; as a store that is away, for a worker that runs when it comes."""
    watch = FormatWatch(store)
    await watch.vouch(1)
    await _write(store, FORMAT + 1, FORMAT + 1)

    with pytest.raises(NewerFormatError, match="the store was written by a newer release"):
        await mark_store(store)
    await watch.vouch(1)
    with pytest.raises(StoreIsNewer, match="run the newer release"):
        await watch.vouch(2)
    assert await store.redis.hget(keys.DEPLOYMENT, "format") == str(FORMAT + 1)


async def test_a_worker_on_a_newer_store_answers_503_and_says_why(store: Store, store_url: str, tmp_path: Path) -> None:
    """It can happen to the embedded store of a restored directory, and to any that `serve` could not reach at start."""
    await _write(store, FORMAT + 1, FORMAT + 1)
    async with running_worker(settings_for(store_url, tmp_path), wait=False) as worker:
        link = worker.rooms.feed.registry_link
        await wait_until_async(lambda: link.store_away, "the worker to refuse the store")
        assert (await worker.client.get("/health/ready")).status_code == 503
        assert not worker.rooms.feed.holds()


async def test_serve_does_not_start_on_a_newer_store_or_directory(store: Store, store_url: str, tmp_path: Path) -> None:
    """Exit code 78, and the remedy on stderr."""
    await _write(store, FORMAT + 1, FORMAT + 1)
    create_key_file(tmp_path / "keys.json")
    env = {"LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_STORE": store_url}

    refused = await asyncio.to_thread(CliRunner().invoke, app, ["serve"], env=env)

    assert (refused.exit_code, "run the newer release" in refused.stderr) == (78, True)
    (tmp_path / "format").write_text(json.dumps({"format": FORMAT + 1, "needs": FORMAT + 1}))
    refused = await asyncio.to_thread(CliRunner().invoke, app, ["serve"], env=env)
    assert (refused.exit_code, f"{tmp_path} was written by a newer" in refused.stderr) == (78, True)
