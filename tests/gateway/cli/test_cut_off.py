"""`latchstring keys retire KID --dry-run`, as an operator runs it against a running gateway."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from harness.worker_app import SESSION, Worker, running_worker, settings_for
from latchstring_gateway.cli.main import app
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.tokens.rotation import rotate

pytestmark = pytest.mark.store
Run = Callable[..., Result]


@pytest.fixture
def run(store_url: str, tmp_path: Path) -> Run:
    """The command, on the worker's data directory and store."""

    def command(*arguments: str, store: str = store_url) -> Result:
        env = {"LATCHSTRING_STORE": store, "LATCHSTRING_DATA_DIR": str(tmp_path), "COLUMNS": "200"}
        return CliRunner().invoke(app, ["keys", "retire", *arguments, "--dry-run"], env=env)

    return command


async def asked(run: Run, *arguments: str, **options: str) -> Result:
    """The command's result; it runs an event loop of its own, so in a thread."""
    return await asyncio.to_thread(run, *arguments, **options)


async def signed_in(worker: Worker) -> str:
    """Two sign-ins, one remembered; the key that signed them."""
    await worker.signed_in("ada")
    return (await worker.signed_in("bob", remember=False))[SESSION].split(".")[1]


async def test_a_dry_run_tells_who_would_be_cut_off_and_changes_nothing(
    store_url: str, tmp_path: Path, run: Run
) -> None:
    """Sessions, remembered ones, devices; in words and as JSON."""
    settings = settings_for(store_url, tmp_path)
    async with running_worker(settings) as worker:
        key = await signed_in(worker)
        rotate(settings.keys_path, SystemClock(), ahead_seconds=0)
        await worker.rooms.key_watch.follow()
        assert await worker.rooms.feed.refresh()
        before = settings.keys_path.read_bytes()

        words, as_json = await asked(run, key), await asked(run, key, "--json")

    assert (words.exit_code, settings.keys_path.read_bytes()) == (0, before)
    assert "2 of 2 live sessions would have to sign in again (1 remembered)" in words.stdout
    assert "2 of 2 devices would be taken for new ones" in words.stdout
    assert "NOT YET" not in words.stdout
    found = json.loads(as_json.stdout)
    assert (found["key"], found["sessions"], found["devices"], found["workers"]) == (key, 2, 2, 1)
    assert found["workers_without_successor"] == []


async def test_a_worker_without_a_successor_is_named(store_url: str, tmp_path: Path, run: Run) -> None:
    """It would go on signing with the key that the others refuse."""
    settings = settings_for(store_url, tmp_path)
    async with running_worker(settings) as worker:
        key = await signed_in(worker)
        name = worker.rooms.feed.worker

        told = await asked(run, key)

    assert "NOT YET: 1 of 1 workers know no other key that signs" in told.stdout
    assert name in told.stdout


async def test_what_cannot_be_told_is_an_error(store_url: str, tmp_path: Path, run: Run) -> None:
    """No such key, no store: status 1 and a reason, without a traceback."""
    settings = settings_for(store_url, tmp_path)
    async with running_worker(settings) as worker:
        key = await signed_in(worker)
        no_key = await asked(run, "nobody")
        no_store = await asked(run, key, store="redis://127.0.0.1:1")

    assert (no_key.exit_code, no_store.exit_code) == (1, 1)
    assert "there is no key 'nobody'" in no_key.stderr
    assert "store_away" in no_store.stderr
