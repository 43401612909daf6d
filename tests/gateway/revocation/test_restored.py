"""A store that was put back from a backup: a real copy of its files, and nobody trusts it until the operator speaks."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from harness.valkey import Valkey
from harness.waiting import wait_until_async
from harness.worker_app import SESSION, Jar, Worker, now_ms, running_worker, settings_for
from latchstring_gateway.revocation.restored import Memory
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store

_AGE_MS = 60_000


class Stand:
    """A store of its own, a backup of it, and workers of this node or of others."""

    def __init__(self, valkey: Valkey, directory: Path) -> None:
        self.valkey = valkey
        self.backup_ms = 0
        self._directory = directory
        self._backup = directory / "backup"

    @contextlib.asynccontextmanager
    async def worker(self, *, node: str = "one", wait: bool = True) -> AsyncIterator[Worker]:
        """A worker; each node has a memory of its own, all have the same keys."""
        keys_file = self._directory / "keys.json"
        settings = settings_for(self.valkey.url, self._directory / node, keys_file=keys_file)
        async with running_worker(settings, wait=wait) as worker:
            yield worker

    def back_up(self) -> None:
        """Copy the store's files as they stand at one instant, as a snapshot of a disk does."""
        self.backup_ms = now_ms()
        self.valkey.freeze()
        shutil.copytree(self.valkey.data_dir / "store" / "appendonlydir", self._backup)
        self.valkey.thaw()

    async def put_back(self, *, age_ms: int = _AGE_MS) -> None:
        """Stop the store, put the copy in its place, start it again; the copy is as if made `age_ms` earlier."""
        self.valkey.stop()
        live = self.valkey.data_dir / "store" / "appendonlydir"
        shutil.rmtree(live)
        shutil.copytree(self._backup, live)
        await asyncio.to_thread(self.valkey.restart)
        if age_ms:
            self._age(age_ms)
            await asyncio.to_thread(self.valkey.restart)

    def _age(self, age_ms: int) -> None:
        # Its heartbeats lie further back, so that no test need wait for longer than a fail-over may lose; and the start
        # that this took is forgotten, by its run id.
        self.backup_ms -= age_ms
        with self.valkey.client() as client:
            for worker, pulse in client.hgetall(keys.PULSES).items():
                client.hset(keys.PULSES, worker, str(int(pulse) - age_ms))
            client.hset(keys.DEPLOYMENT, "pulse_ms", str(self.backup_ms))
            client.hset(keys.DEPLOYMENT, "run_id", "that of the backup")
            client.hdel(keys.DEPLOYMENT, "losses", "restored_ms")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`latchstring store restored`."""
        argv = [sys.executable, "-m", "latchstring_gateway.cli.main", "store", "restored", *arguments]
        env = {**os.environ, "LATCHSTRING_STORE": self.valkey.url, "COLUMNS": "200"}
        return subprocess.run(argv, env=env, capture_output=True, text=True)


@pytest.fixture
def stand(own_valkey: Callable[[], Valkey], tmp_path: Path) -> Stand:
    """See the class."""
    return Stand(own_valkey(), tmp_path)


async def _ready(worker: Worker) -> httpx.Response:
    return await worker.client.get("/health/ready")


async def _wait_distrusted(worker: Worker) -> None:
    async def distrusted() -> bool:
        answer = await _ready(worker)
        return answer.status_code == 503 and answer.json().get("code") == "store_restored"

    await wait_until_async(distrusted, "the worker to find out")


async def _wait_seen(worker: Worker) -> None:
    """Until the node has written down that the store was well after all that has happened."""
    now, path = now_ms(), worker.rooms.settings.data_dir / "store-seen"
    await wait_until_async(lambda: path.exists() and int(path.read_text()) > now, "the node to remember")


async def _removed(worker: Worker) -> Jar:
    """A browser whose device is removed with a complete receipt."""
    jar = await worker.signed_in("removed")
    (device,) = (await worker.api("GET", "/v1/accounts/removed/devices")).json()["devices"]
    await _wait_seen(worker)
    return Jar({**jar, "device": device["id"]})


@pytest.mark.parametrize("worker_is", ["the same", "a new one of the node", "a new one, the store stopped cleanly"])
async def test_nobody_trusts_a_store_that_was_put_back(stand: Stand, worker_is: str) -> None:
    """503 and no cookie touched, until the operator speaks; then what was removed is out for good."""
    async with contextlib.AsyncExitStack() as stack:
        worker = await stack.enter_async_context(stand.worker())
        service_key = worker.service_key
        removed, other = await _removed(worker), await worker.signed_in("other")
        if worker_is.endswith("cleanly"):
            # A backup made while nobody is at work has no pulses in it.
            await stack.aclose()
            stand.back_up()
            worker = await stack.enter_async_context(stand.worker())
            worker.service_key = service_key
        else:
            stand.back_up()
        receipt = await worker.api("DELETE", f"/v1/accounts/removed/devices/{removed['device']}")
        await _wait_seen(worker)
        if worker_is != "the same":
            await stack.aclose()
        await stand.put_back()
        if worker_is != "the same":
            worker = await stack.enter_async_context(stand.worker(wait=False))
            worker.service_key = service_key
        await _wait_distrusted(worker)

        while_distrusted = [await worker.navigate(worker.run_out(jar)) for jar in (removed, other)]
        done = await asyncio.to_thread(stand.command, "--backup-time", str(stand.backup_ms), "--json")
        await wait_until_async(worker.rooms.feed.holds, "the worker to trust the store again")
        afterwards = [await worker.verify(worker.run_out(jar)) for jar in (removed, other)]

        assert receipt.json()["status"] == "complete"
        # The worker that was there still knows of the removal itself.
        assert [answer.status_code for answer in while_distrusted] == [303 if worker_is == "the same" else 503, 503]
        assert "set-cookie" not in while_distrusted[1].headers
        assert (done.returncode, json.loads(done.stdout)["noticed"]) == (0, True), done.stderr
        assert [answer.status_code for answer in afterwards] == [401, 401]
        assert (await worker.verify(await worker.signed_in("other"))).status_code == 200
        assert (await _ready(worker)).status_code == 200


async def test_a_worker_without_a_memory_is_told_by_a_token(stand: Stand) -> None:
    """A new node beside a restored store: the first cookie from the lost time gives it away, and stays as it is."""
    async with stand.worker() as worker:
        stand.back_up()
        lost = await worker.signed_in("lost")
        lease = worker.lease(lost)
    await stand.put_back()

    async with stand.worker(node="two") as worker:
        ran_out = Jar({**lost, SESSION: worker.seal(replace(lease, lease_end_ms=lease.issued_at_ms + 1))})
        first = await worker.navigate(ran_out)
        await _wait_distrusted(worker)

        assert first.status_code == 503
        assert "set-cookie" not in first.headers


async def test_what_one_node_finds_out_every_node_heeds(stand: Stand) -> None:
    """One that has never seen this store before stops trusting it as soon as another has looked."""
    async with stand.worker() as worker:
        stand.back_up()
        await _wait_seen(worker)
    await stand.put_back()

    async with stand.worker(node="two") as amnesiac:
        trusted_at_first = amnesiac.rooms.feed.holds()
        async with stand.worker(wait=False):
            await _wait_distrusted(amnesiac)

        assert trusted_at_first
    await asyncio.to_thread(stand.valkey.restart)
    async with stand.worker(node="three", wait=False) as late:
        await _wait_distrusted(late)


async def test_a_restart_and_a_small_loss_need_no_operator(stand: Stand) -> None:
    """A crash of the store, and a copy that lacks less than a fail-over may lose, are survived as ever."""
    async with stand.worker() as worker:
        jar = await worker.signed_in()
        for blow in ("crash", "loss"):
            if blow == "crash":
                stand.valkey.kill9()
                await asyncio.to_thread(stand.valkey.restart)
            else:
                stand.back_up()
                await stand.put_back(age_ms=0)
            epoch = worker.rooms.feed.epoch
            await wait_until_async(lambda before=epoch: worker.rooms.feed.epoch > before, "the new epoch")
            await wait_until_async(worker.rooms.feed.holds, "the worker to follow the store")

            assert (await worker.verify(worker.run_out(jar))).status_code == 200
            assert not worker.rooms.memory.found


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


@pytest.mark.parametrize(
    ("backup_time", "code", "told"),
    [
        ("tomorrow", 2, "with its zone"),
        ("2026-11-24T03:00:00", 2, "with its zone"),
        ("", 2, "with its zone"),
        ("2124-11-24T03:00:00Z", 1, "wrong_backup_time"),
        ("2124-11-24T03:00:00+01:00", 1, "wrong_backup_time"),
        ("99999999999999999", 2, "with its zone"),
    ],
)
async def test_a_time_that_cannot_be_is_refused(stand: Stand, backup_time: str, code: int, told: str) -> None:
    """Before anything is touched: this may be the wrong store."""
    async with stand.worker():
        stand.back_up()
    await stand.put_back()

    done = await asyncio.to_thread(stand.command, "--backup-time", backup_time)

    assert (done.returncode, told in done.stderr, "Traceback" in done.stderr) == (code, True, False)
    with stand.valkey.client() as client:
        assert not client.hexists(keys.DEPLOYMENT, "restored_ms")


async def test_a_store_that_was_never_stopped_was_not_put_back(stand: Stand) -> None:
    """Told, and nobody signed out."""
    async with stand.worker() as worker:
        jar = await worker.signed_in()
        done = await asyncio.to_thread(stand.command, "--backup-time", "2026-01-01T00:00:00Z")

        assert (done.returncode, "not_restored" in done.stderr) == (1, True)
        assert (await worker.verify(jar)).status_code == 200


@pytest.mark.parametrize("content", [b"", b"\xff", b"12x", b"-", b"17"])
async def test_a_memory_never_goes_back_and_survives_a_torn_file(stand: Stand, tmp_path: Path, content: bytes) -> None:
    """A frozen worker of the same node may wake up with an older one."""
    path = tmp_path / "seen"
    path.write_bytes(content)
    store = Store(stand.valkey.url)
    first, frozen = Memory(store, path), Memory(store, path)

    first.remember(2_000)
    frozen.remember(1_000)
    first.remember(1_500)

    assert path.read_text() == "2000"
    await store.close()
