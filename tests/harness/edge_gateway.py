"""A real gateway for edge tests: Valkey, key file, workers on one socket; and what a website's backend does with it."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from harness.valkey import Valkey
from harness.waiting import wait_until
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.service_keys import ServiceKeys
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store
from latchstring_gateway.supervise.launch import launched
from latchstring_gateway.tokens.keyring import create_key_file

TESTS_DIR = Path(__file__).parents[1]
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
HTTP_WORKER = "latchstring_gateway.supervise.http_worker"


def listen() -> socket.socket:
    """A listening socket on a free loopback port, to be inherited by servers."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    return listening


def address_of(listening: socket.socket) -> str:
    """A socket as host:port."""
    host, port = listening.getsockname()
    return f"{host}:{port}"


def start(
    argv: list[str], log: Path, *, fds: tuple[int, ...] = (), env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A process that dies with this one and writes to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            launched(argv),
            pass_fds=fds,
            env={**os.environ, **(env or {})},
            stdout=output,
            stderr=output,
            cwd=log.parent,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and wait for it; SIGKILL if it does not listen."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(12)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class EdgeGateway:
    """Workers that share one socket over a store of their own; `settings` are LATCHSTRING_* without the prefix."""

    def __init__(self, *, workers: int = 2, **settings: str) -> None:
        self.data_dir = Path(tempfile.mkdtemp(prefix="latch-"))
        self.valkey = Valkey(self.data_dir)
        create_key_file(self.data_dir / "keys.json")
        self._listening = listen()
        self.address = address_of(self._listening)
        self._env = {f"LATCHSTRING_{name.upper()}": value for name, value in settings.items()}
        self.log_path = self.data_dir / "workers.log"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.client = httpx.Client(base_url=f"http://{self.address}", timeout=60, trust_env=False)
        self.client.headers["authorization"] = "Bearer " + asyncio.run(self._service_key())
        for _ in range(workers):
            self.start_worker()
        if workers:
            # One that answers says nothing of its neighbours on the socket.
            wait_until(lambda: self.registered() >= workers, "every worker to be registered")
            wait_until(self.is_ready, "the gateway to be ready")

    async def _service_key(self) -> str:
        store = Store(self.valkey.url)
        try:
            return await ServiceKeys(store, SystemClock()).add("edge-tests")
        finally:
            await store.close()

    def set(self, **settings: str) -> None:
        """Settings of workers that are started from now on."""
        self._env |= {f"LATCHSTRING_{name.upper()}": value for name, value in settings.items()}

    def start_worker(self, module: str = HTTP_WORKER) -> subprocess.Popen[bytes]:
        """One more worker on the shared socket."""
        base = {
            "LATCHSTRING_DATA_DIR": str(self.data_dir),
            "LATCHSTRING_STORE": self.valkey.url,
            "LATCHSTRING_LOG_LEVEL": "debug",
            "PYTHONPATH": str(TESTS_DIR),
        }
        descriptor = self._listening.fileno()
        argv = [sys.executable, "-m", module, "--fd", str(descriptor)]
        worker = start(argv, self.log_path, fds=(descriptor,), env=base | self._env)
        self.workers.append(worker)
        return worker

    def is_ready(self) -> bool:
        """Whether a worker answers and has its store."""
        try:
            return self.client.get("/health/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def registered(self) -> int:
        """How many workers stand in the registry: those a receipt waits for."""
        with self.valkey.client() as client:
            return int(client.hlen(keys.WORKERS))

    def all_follow(self) -> bool:
        """Whether every worker, and not only the one that answers, knows what is revoked; as of the last second."""
        return "latchstring_fence_holds 1.0" in self.client.get("/metrics", timeout=2).text

    def log(self) -> str:
        """Everything the workers have written to stdout and stderr."""
        return self.log_path.read_text(errors="replace")

    def sign_in(
        self,
        account: str,
        *,
        remember: bool = True,
        cookie: str = "",
        return_to: str | None = None,
        seconds_ago: float = 0,
    ) -> dict[str, Any]:
        """What a website's backend does when the password was right; the answer of POST /v1/sessions."""
        browser = {"user_agent": AGENT, "address": "203.0.113.9", "cookie": cookie}
        asked = {
            "account": account,
            "remember": remember,
            "authenticated_at_ms": int((time.time() - seconds_ago) * 1000),
        }
        answer = self.client.post("/v1/sessions", json={**asked, "browser": browser, "return": return_to})
        assert answer.status_code == 201, answer.text
        started: dict[str, Any] = answer.json()
        return started

    def remove_device(self, account: str, device: str) -> dict[str, Any]:
        """Remove a device; its receipt."""
        answer = self.client.delete(f"/v1/accounts/{account}/devices/{device}")
        assert answer.status_code == 200, answer.text
        receipt: dict[str, Any] = answer.json()
        return receipt

    def stop_workers(self) -> None:
        """End all workers cleanly, so that every journal segment is finished."""
        for worker in self.workers:
            stop(worker)
        self.workers.clear()

    def close(self) -> None:
        """Stop everything and remove the data."""
        self.client.close()
        self.stop_workers()
        self._listening.close()
        self.valkey.close()
        shutil.rmtree(self.data_dir)


class EchoWebsite:
    """The test website in a process of its own, and its control."""

    def __init__(self) -> None:
        self._dir = Path(tempfile.mkdtemp(prefix="latch-"))
        listening = listen()
        self.address = address_of(listening)
        descriptor = listening.fileno()
        argv = [sys.executable, "-m", "harness.echo_website", "--fd", str(descriptor)]
        self.process = start(argv, self._dir / "log", fds=(descriptor,), env={"PYTHONPATH": str(TESTS_DIR)})
        listening.close()

    def _control(self, path: str) -> list[str]:
        answer = httpx.get(f"http://{self.address}/.control/{path}", timeout=60, trust_env=False)
        held: list[str] = answer.json()["held"]
        return held

    def wait_held(self, name: str) -> None:
        """Return when a request with `?hold=name` waits for its release."""
        wait_until(lambda: name in self._control("held"), f"the website to hold {name}")

    def release(self, name: str) -> None:
        """Let the held request be answered."""
        self._control(f"release?hold={name}")

    def close(self) -> None:
        """Stop it."""
        stop(self.process)
        shutil.rmtree(self._dir)
