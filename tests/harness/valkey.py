"""Real Valkey servers for tests, run as the product runs its own: same settings, on a Unix socket in a short directory.

`store_url`, `store_client`: one server for the whole run, emptied before each test. `own_valkey`: servers of the test's
own, to kill, freeze and start again. All die with the test process, even if that is killed.
"""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio

from latchstring_gateway.store.embedded import EmbeddedStore, Health
from latchstring_gateway.supervise.launch import launched

from .waiting import wait_until


class Valkey:
    """A running server and the blows a test may deal it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.store = EmbeddedStore(data_dir)
        self.store.claim()
        self.url = self.store.url
        self.socket_path = self.store.socket_path
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        process = self.store.start(launched)
        self.store.wait_ready(process)
        return process

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def client(self) -> redis.Redis:
        """A blocking client; the caller closes it."""
        return redis.Redis.from_url(self.url)

    def kill9(self) -> None:
        """End the server at once, as a crash would; returns when it is dead."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End the server cleanly; returns when it is gone. Thaws it first if need be; idempotent."""
        if self._process.poll() is None:
            self.thaw()
            self.store.stop(self._process)

    def freeze(self) -> None:
        """Let the server hang: connections stand, nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._process.send_signal(signal.SIGCONT)

    def is_gone(self) -> bool:
        """Whether the server has ended."""
        return self._process.poll() is not None

    def start_loading(self, *options: str) -> None:
        """Start the server with more options, and return when it says that it is loading."""
        self._process = self.store.start(lambda command: launched([*command, *options]))
        wait_until(lambda: self.store.probe(self.pid) is Health.LOADING, "the server to load")

    def wait_ready(self) -> None:
        """Return when the server answers."""
        self.store.wait_ready(self._process)

    def restart(self) -> None:
        """Start the server again on the same data; stops it first if it runs."""
        self.stop()
        self._process = self._start()

    def close(self) -> None:
        """Stop the server and let go of the directory."""
        self.stop()
        self.store.release()


@pytest.fixture(scope="session")
def store_server() -> Iterator[Valkey]:
    """The server that all tests share; not to be killed, frozen or reconfigured."""
    directory = tempfile.mkdtemp(prefix="latch-")
    server = Valkey(Path(directory))
    yield server
    server.close()
    shutil.rmtree(directory)


@pytest.fixture
def store_url(store_server: Valkey) -> str:
    """Where the shared server is, emptied."""
    with store_server.client() as client:
        client.flushall()
    return store_server.url


@pytest.fixture
async def store_client(store_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of the shared server, emptied; answers are bytes."""
    async with redis.asyncio.Redis.from_url(store_url) as client:
        yield client


@pytest.fixture
def own_valkey() -> Iterator[Callable[[], Valkey]]:
    """Makes servers of the test's own, stopped and removed afterwards."""
    servers: list[Valkey] = []

    def make() -> Valkey:
        servers.append(Valkey(Path(tempfile.mkdtemp(prefix="latch-"))))
        return servers[-1]

    yield make
    for server in servers:
        server.close()
        shutil.rmtree(server.data_dir)
