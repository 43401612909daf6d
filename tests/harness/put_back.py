"""A store put back from a backup: a real copy of a real server's files, and workers of one node or of several."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from latchstring_gateway.store import keys

from .valkey import Valkey
from .waiting import wait_until_async
from .worker_app import Worker, now_ms, running_worker, settings_for

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
            client.hdel(keys.DEPLOYMENT, "losses", "restored_ms", "restored_by")

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`latchstring store restored`."""
        argv = [sys.executable, "-m", "latchstring_gateway.cli.main", "store", "restored", *arguments]
        env = {**os.environ, "LATCHSTRING_STORE": self.valkey.url, "COLUMNS": "200"}
        return subprocess.run(argv, env=env, capture_output=True, text=True)


async def wait_distrusted(worker: Worker) -> None:
    """Until readiness says that the store was put back."""

    async def distrusted() -> bool:
        answer = await worker.client.get("/health/ready")
        return answer.status_code == 503 and answer.json().get("code") == "store_restored"

    await wait_until_async(distrusted, "the worker to find out")


async def wait_seen(worker: Worker) -> None:
    """Until the node has written down that the store was well after all that has happened."""
    now, path = now_ms(), worker.rooms.settings.data_dir / "store-seen"
    await wait_until_async(lambda: path.exists() and int(path.read_text().split()[0]) > now, "the node to remember")
