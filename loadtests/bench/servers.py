"""The servers that are measured: nginx, a bare ASGI callable, and one Latchstring worker with a store of its own."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from measuring import SERVER_CORE, BenchError
from msgspec.structs import asdict

from latchstring_gateway import settings
from latchstring_gateway.cli.serve import prepare
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.service_keys import ServiceKeys
from latchstring_gateway.settings import Settings
from latchstring_gateway.store.client import Store
from latchstring_gateway.store.embedded import EmbeddedStore
from latchstring_gateway.tokens.codec import Codec, Refused
from latchstring_gateway.tokens.keyring import KeyRing
from latchstring_gateway.tokens.purposes import AccessToken, Lease

_HERE = Path(__file__).parent
_START_SECONDS = 15.0
_ON_SERVER_CORE = ["taskset", "-c", str(SERVER_CORE)]


@dataclass(frozen=True, slots=True)
class Served:
    """A running server: its processes and where it answers."""

    pids: tuple[int, ...]
    origin: str
    #: Of a browser that is signed in; empty for yardsticks.
    cookie: str = ""
    #: As a TV's that is signed in to the same account would be.
    access_token: str = ""
    #: Its store's process; 0 for yardsticks.
    store_pid: int = 0


@contextlib.contextmanager
def running(argv: list[str], origin: str, path: str, **options: object) -> Iterator[int]:
    """`argv` on the server's core, from its first answer until the end of the block."""
    process = subprocess.Popen([*_ON_SERVER_CORE, *argv], stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(origin + path):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{' '.join(argv[:3])} does not answer at {origin}{path}")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def nginx(directory: Path) -> Iterator[Served]:
    """One nginx worker with its configuration, log and temporary files in `directory`."""
    directory.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = (_HERE / "yardsticks" / "nginx.conf").read_text().format(directory=directory, port=port)
    (directory / "nginx.conf").write_text(text)
    argv = ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")]
    origin = f"http://127.0.0.1:{port}"
    with running(argv, origin, "/verify") as pid:
        yield Served((pid,), origin)


@contextlib.contextmanager
def bare_asgi() -> Iterator[Served]:
    """Uvicorn with the least callable there is."""
    with _listening() as (listening, origin):
        argv = [sys.executable, str(_HERE / "yardsticks" / "bare_asgi.py"), str(listening.fileno())]
        with running(argv, origin, "/", pass_fds=[listening.fileno()]) as pid:
            yield Served((pid,), origin)


@contextlib.contextmanager
def latchstring(
    directory: Path,
    *,
    workers: int = 1,
    keys_file: Path | None = None,
    before_start: Callable[[Path], None] = lambda _directory: None,
) -> Iterator[Served]:
    """Workers and their store, without the shipper, which works off the measured path; one browser is signed in.

    `before_start` is called with the data directory when the store runs and no worker does.
    """
    chosen = settings.read(
        data_dir=directory, workers=workers, keys_file=keys_file, fsync="interval", lease_seconds=3600
    )
    prepare(chosen)
    embedded = EmbeddedStore(directory)
    embedded.claim()
    store = embedded.start()
    try:
        embedded.wait_ready(store)
        before_start(directory)
        key = asyncio.run(_service_key(chosen))
        environment = os.environ | {
            # Nothing beside what is measured.
            "LATCHSTRING_SECOND_LOOK": "false",
            "LATCHSTRING_DATA_DIR": str(directory),
            "LATCHSTRING_FSYNC": "interval",
            "LATCHSTRING_LEASE_SECONDS": "3600",
            "LATCHSTRING_WORKERS": str(workers),
        }
        if keys_file is not None:
            environment["LATCHSTRING_KEYS_FILE"] = str(keys_file)
        with _listening() as (listening, origin):
            descriptor = listening.fileno()
            argv = [sys.executable, "-m", "latchstring_gateway.supervise.http_worker", "--fd", str(descriptor)]
            with contextlib.ExitStack() as stack:
                pids = tuple(
                    stack.enter_context(running(argv, origin, "/health/ready", env=environment, pass_fds=[descriptor]))
                    for _ in range(workers)
                )
                cookie = _sign_in(origin, key)
                yield Served(pids, origin, cookie, _access_token(chosen, cookie), store.pid)
    finally:
        embedded.stop(store)
        embedded.release()


@contextlib.contextmanager
def _listening() -> Iterator[tuple[socket.socket, str]]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        yield listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


async def _service_key(chosen: Settings) -> str:
    store = Store(chosen.store_url)
    try:
        return await ServiceKeys(store, SystemClock()).add("bench")
    finally:
        await store.close()


def _sign_in(origin: str, key: str) -> str:
    body = {
        "account": "bench",
        "remember": True,
        "authenticated_at_ms": time.time_ns() // 1_000_000,
        "browser": {"cookie": "", "user_agent": "Mozilla/5.0 bench", "address": "203.0.113.7"},
    }
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    asked = urllib.request.Request(f"{origin}/v1/sessions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        started = json.load(answer)
    return "; ".join(line.partition(";")[0] for line in started["set_cookie"])


def _access_token(chosen: Settings, cookie: str) -> str:
    codec = Codec(KeyRing.load(chosen.keys_path, SystemClock()))
    lease = codec.open(cookie.partition("__Host-session=")[2].partition(";")[0].encode(), Lease)
    if isinstance(lease, Refused):
        raise BenchError(f"the cookie of the signed-in browser does not open: {lease.reason}")
    return codec.seal(AccessToken(**asdict(lease), client="bench")).decode()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
