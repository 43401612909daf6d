"""What the operator orders after a backup was put back: everybody out, and the store is trusted again."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.put_back import Stand
from harness.valkey import Valkey
from harness.waiting import wait_until_async
from harness.worker_app import Jar
from latchstring_gateway.store import keys

pytestmark = pytest.mark.store


@pytest.fixture
def stand(own_valkey: Callable[[], Valkey], tmp_path: Path) -> Stand:
    """See the class."""
    return Stand(own_valkey(), tmp_path)


async def test_the_operator_may_speak_although_nobody_noticed_and_twice(stand: Stand) -> None:
    """Everybody is signed out each time, and the receipt says that nobody had noticed."""
    async with stand.worker() as worker:
        stand.back_up()
    await stand.put_back()
    async with stand.worker(node="two") as worker:
        worker.service_key = await worker.rooms.service_keys.add("tests")
        for _ in range(2):
            jar = await worker.signed_in()
            done = await asyncio.to_thread(stand.command, "--backup-time", str(stand.backup_ms))

            async def refused(jar: Jar = jar) -> bool:
                return (await worker.verify(jar)).status_code == 401

            await wait_until_async(refused, "the session to be over")
            assert done.returncode == 0, done.stderr
            assert "no worker had noticed" in done.stdout


async def test_a_later_backup_than_this_one_is_refused(stand: Stand) -> None:
    """Before anything is touched: this may be the wrong store, or the wrong copy."""
    async with stand.worker():
        stand.back_up()
    await stand.put_back()

    done = await asyncio.to_thread(stand.command, "--backup-time", "2124-11-24T03:00:00+01:00")

    assert (done.returncode, "wrong_backup_time" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    with stand.valkey.client() as client:
        assert not client.hexists(keys.DEPLOYMENT, "restored_ms")


async def test_a_store_that_was_never_stopped_was_not_put_back(stand: Stand) -> None:
    """Told, and nobody signed out."""
    async with stand.worker() as worker:
        jar = await worker.signed_in()
        done = await asyncio.to_thread(stand.command, "--backup-time", "2026-01-01T00:00:00Z")

        assert (done.returncode, "not_restored" in done.stderr) == (1, True)
        assert (await worker.verify(jar)).status_code == 200
