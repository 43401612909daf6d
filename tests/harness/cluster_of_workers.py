"""Several HTTP workers on one real store, each on a listening socket of its own, so that a test can ask one of them.

No supervisor stands over them: what dies stays dead, and nobody strikes its row but a revoker's patience.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from msgspec import structs

from latchstring_gateway.clock import SystemClock
from latchstring_gateway.service_keys import ServiceKeys
from latchstring_gateway.store.client import Store
from latchstring_gateway.supervise.launch import launched
from latchstring_gateway.tokens.codec import Codec
from latchstring_gateway.tokens.keyring import KeyRing, create_key_file
from latchstring_gateway.tokens.purposes import Lease

from .loopback import loopback
from .valkey import Valkey
from .waiting import wait_until_async


class WorkerProcess:
    """One worker: blows to its process, and requests to it alone."""

    def __init__(self, env: dict[str, str]) -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen(512)
            self.port: int = listening.getsockname()[1]
            self.url = f"http://127.0.0.1:{self.port}"
            command = [sys.executable, "-m", "harness.breakable_worker", "--fd", str(listening.fileno())]
            self._process = subprocess.Popen(launched(command), pass_fds=[listening.fileno()], env=env)

    @property
    def pid(self) -> int:
        """Its process id, which its name in the registry contains."""
        return self._process.pid

    def freeze(self) -> None:
        """Let it hang."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill9(self) -> None:
        """End it as a crash would; returns when it is dead."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it in order, thawed first if need be; idempotent."""
        if self._process.poll() is None:
            self.thaw()
            self._process.terminate()
            self._process.wait(20)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """One browser of an account."""

    account: str
    cookie: str
    device: str
    session: str


@dataclass
class Workers:
    """Workers on some store, and the website's backend."""

    workers: list[WorkerProcess]
    env: dict[str, str]
    credential: dict[str, str]

    def start_worker(self) -> WorkerProcess:
        """One more; it may not answer yet."""
        self.workers.append(WorkerProcess(self.env))
        return self.workers[-1]

    async def call(self, worker: WorkerProcess, method: str, url: str, **more: Any) -> httpx.Response:
        """The backend's request to one worker, on a connection of its own."""
        async with loopback(base_url=worker.url, timeout=60, headers=self.credential) as client:
            return await client.request(method, url, **more)

    async def sign_in(self, account: str, worker: WorkerProcess | None = None) -> SignedIn:
        """A new device of the account, with the box ticked."""
        body = {"account": account, "remember": True, "authenticated_at_ms": time.time_ns() // 1_000_000}
        answer = await self.call(worker or self.workers[0], "POST", "/v1/sessions", json=body)
        started = answer.raise_for_status().json()
        cookie = "; ".join(line.partition(";")[0] for line in started["set_cookie"])
        return SignedIn(account, cookie, started["device"]["id"], started["session"]["id"])

    def aged(self, who: SignedIn, *, seconds: float) -> SignedIn:
        """The same browser as it would be with a lease that much older."""
        codec = Codec(KeyRing.load(Path(self.env["LATCHSTRING_DATA_DIR"]) / "keys.json", SystemClock()))
        token = who.cookie.partition("=")[2].partition(";")[0]
        lease = codec.open(token.encode(), Lease)
        assert isinstance(lease, Lease)
        older = round(seconds * 1000)
        lease = structs.replace(lease, issued_at_ms=lease.issued_at_ms - older, lease_end_ms=lease.lease_end_ms - older)
        return replace(who, cookie=who.cookie.replace(token, codec.seal(lease).decode()))

    async def remove(self, who: SignedIn, worker: WorkerProcess | None = None) -> dict[str, Any]:
        """Remove a device; the receipt, complete or partial."""
        answer = await self.call(
            worker or self.workers[0], "DELETE", f"/v1/accounts/{who.account}/devices/{who.device}"
        )
        assert answer.status_code in (200, 202), answer.text
        receipt: dict[str, Any] = answer.json()
        assert (answer.status_code == 200) == (receipt["status"] == "complete")
        return receipt

    async def receipt(self, revocation: str, worker: WorkerProcess | None = None) -> dict[str, Any]:
        """What is known about a revocation now."""
        answer = await self.call(worker or self.workers[0], "GET", f"/v1/revocations/{revocation}")
        found: dict[str, Any] = answer.raise_for_status().json() if answer.status_code != 503 else {"status": "503"}
        return found

    async def check(self, worker: WorkerProcess, who: SignedIn, *, timeout_seconds: float = 20) -> httpx.Response:
        """One navigation's check on a fresh connection to one worker."""
        headers = {"cookie": who.cookie, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        async with loopback(timeout=timeout_seconds) as client:
            return await client.get(f"{worker.url}/verify", headers=headers)

    async def wait_following(self, worker: WorkerProcess, timeout_seconds: float = 20) -> None:
        """Return when the worker says that it is ready."""

        async def is_ready() -> bool:
            try:
                async with loopback(timeout=2) as client:
                    return (await client.get(f"{worker.url}/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

        await wait_until_async(is_ready, "the worker to be ready", timeout_seconds)

    async def wait_registered(self, count: int, timeout_seconds: float = 10) -> None:
        """Return when `count` workers acknowledge a removal, and nobody else is waited for."""

        async def is_acknowledged() -> bool:
            receipt = await self.remove(await self.sign_in("nobody", self.workers[-1]), self.workers[-1])
            return (receipt["applied"], receipt["workers"]) == (count, count)

        await wait_until_async(is_acknowledged, f"{count} workers to follow", timeout_seconds)


@dataclass
class Cluster(Workers):
    """A store of their own besides."""

    valkey: Valkey


@asynccontextmanager
async def cluster_of_workers(count: int, **settings: str) -> AsyncIterator[Cluster]:
    """A store and `count` workers that all follow it; `settings` are LATCHSTRING_* in lower case."""
    valkey = Valkey(Path(tempfile.mkdtemp(prefix="latch-")))
    try:
        async with workers_on(valkey.url, count, valkey.data_dir, **settings) as running:
            try:
                yield Cluster(running.workers, running.env, running.credential, valkey)
            finally:
                valkey.thaw()
    finally:
        valkey.close()
        shutil.rmtree(valkey.data_dir)


@asynccontextmanager
async def workers_on(store_url: str, count: int, data_dir: Path, **settings: str) -> AsyncIterator[Workers]:
    """`count` workers that all follow the store at this URL; `settings` are LATCHSTRING_* in lower case."""
    async with workers_behind(store_url, store_url, count, data_dir, **settings) as running:
        await running.wait_registered(count)
        yield running


@asynccontextmanager
async def workers_behind(
    url: str, store_url: str, count: int, data_dir: Path, **settings: str
) -> AsyncIterator[Workers]:
    """`count` ready workers that reach the store at `url`, which this process reaches at `store_url`."""
    create_key_file(data_dir / "keys.json")
    env = {
        **os.environ,
        "LATCHSTRING_DATA_DIR": str(data_dir),
        "LATCHSTRING_STORE": url,
        "LATCHSTRING_LOG_LEVEL": "error",
        # Where `harness` is found.
        "PYTHONPATH": str(Path(__file__).parents[1]),
        **{f"LATCHSTRING_{name.upper()}": value for name, value in settings.items()},
    }
    store = Store(store_url)
    key = await ServiceKeys(store, SystemClock()).add("website")
    await store.close()
    running = Workers([], env, {"authorization": f"Bearer {key}"})
    try:
        for _ in range(count):
            running.start_worker()
        for worker in running.workers:
            await running.wait_following(worker)
        yield running
    finally:
        for worker in running.workers:
            worker.stop()


@dataclass
class Flood:
    """Checks of one cookie on kept connections to every worker, each noted with the moment it began to be sent.

    A 503 counts as `unknown` if it says when to come back. `pause_seconds` lie between two checks of a connection.
    """

    cluster: Workers
    who: SignedIn
    connections: int = 2
    pause_seconds: float = 0.0
    #: (began, worker's number) by monotonic clock.
    accepted: list[tuple[float, int]] = field(default_factory=list)
    waiting: list[tuple[float, int]] = field(default_factory=list)
    refused: int = 0
    other: list[int] = field(default_factory=list)
    cleared: int = 0
    slowest: float = 0.0
    _stop: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> "Flood":
        for number, worker in enumerate(self.cluster.workers):
            self._tasks += [asyncio.create_task(self._run(number, worker.port)) for _ in range(self.connections)]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._stop = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def unknown(self) -> int:
        """How many checks were told to come back."""
        return len(self.waiting)

    @property
    def violations(self) -> int:
        """Answers that no store fault excuses: a refusal, a cleared cookie, anything but 200 and a proper 503."""
        return self.refused + self.cleared + len(self.other)

    def accepted_after(self, moment: float) -> list[tuple[float, int]]:
        """Checks that began after `moment` and were accepted."""
        return [one for one in self.accepted if one[0] > moment]

    async def _run(self, number: int, port: int) -> None:
        request = f"GET /verify HTTP/1.1\r\nhost: x\r\ncookie: {self.who.cookie}\r\n\r\n".encode()
        while not self._stop:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
                continue
            try:
                while not self._stop:
                    began = time.monotonic()
                    writer.write(request)
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                    if length:
                        await reader.readexactly(length)
                    self._note(began, number, head)
                    await asyncio.sleep(self.pause_seconds)
            except (OSError, asyncio.IncompleteReadError):
                continue
            finally:
                writer.close()

    def _note(self, began: float, number: int, head: bytes) -> None:
        status = int(head.split(b" ", 2)[1])
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.cleared += b"max-age=0" in head.lower()
        if status == 200:
            self.accepted.append((began, number))
        elif status == 401:
            self.refused += 1
        elif status == 503 and b"\r\nretry-after:" in head.lower():
            self.waiting.append((began, number))
        else:
            self.other.append(status)
