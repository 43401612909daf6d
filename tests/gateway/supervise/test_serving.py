"""Everything together, on a real store and tiny stand-ins for the other children: kill -9 anything, it comes back."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from harness.waiting import wait_until
from latchstring_gateway.store.embedded import EmbeddedStore, store_url

pytestmark = pytest.mark.store

# A worker answers each request with its own process id; an idle child waits to be told to stop.
_WORKER = """
import os, socket, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{os.environ['LATCHSTRING_CHILD']} {os.getpid()}".encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = HTTPServer(("", 0), Answer, bind_and_activate=False)
server.socket = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
server.serve_forever()
"""
_IDLE = "import signal; signal.pause()"

# What `latchstring serve` does after it has read its settings.
_SERVE = """
import sys
from pathlib import Path
from latchstring_gateway import logs
from latchstring_gateway.store.embedded import EmbeddedStoreError
from latchstring_gateway.supervise.serving import Plan, serve
logs.configure()
async def goodbye(name, pid): print("goodbye", name, pid, flush=True)
idle = (sys.executable, "-c", sys.argv[4])
plan = Plan(
    data_dir=Path(sys.argv[1]), listen=sys.argv[2], workers=2, embedded_store=True,
    worker_argv=(sys.executable, "-c", sys.argv[3]), shipper_argv=idle, deliverer_argv=idle,
)
try:
    sys.exit(serve(plan, on_child_gone=goodbye))
except EmbeddedStoreError as error:
    print(error, flush=True)
    sys.exit(2)
"""

_RESPAWN = (sys.executable, "-m", "latchstring_gateway.supervise.respawn", "--listen")


class Stand:
    """A running `serve`, or one under the respawner, and what can be asked of it."""

    def __init__(self, data_dir: Path, *, respawned: bool) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.data_dir = data_dir
        listen = f"127.0.0.1:{self.port}"
        serve = [sys.executable, "-c", _SERVE, str(data_dir), listen, _WORKER, _IDLE]
        self.out = (data_dir / "out").open("w+b")
        self.log = (data_dir / "log").open("w+b")
        argv = [*_RESPAWN, listen, "--", *serve] if respawned else serve
        self.process = subprocess.Popen(argv, stdout=self.out, stderr=self.log)
        self.respawned = respawned

    def ask(self) -> tuple[str, int]:
        """One request: the name and process id of the worker that answered. Waits, is never refused."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/")
            name, _, pid = connection.getresponse().read().decode().partition(" ")
            return name, int(pid)
        finally:
            connection.close()

    def supervisor(self) -> int:
        """Process id of the supervisor, by the lock it holds."""
        return int((self.data_dir / "store" / "lock").read_text())

    def store_pid(self) -> int:
        """Process id of the store that answers; 0 if none does."""
        try:
            with self.client() as client:
                pid: int = client.info("server")["process_id"]
                return pid
        except redis.RedisError:
            return 0

    def client(self) -> redis.Redis:
        """A client of its store."""
        return redis.Redis.from_url(store_url(self.data_dir))

    def said(self) -> str:
        """What it printed."""
        return Path(self.out.name).read_text()

    def close(self) -> None:
        """Stop it in order."""
        self.process.terminate()
        assert self.process.wait(20) == 0, Path(self.log.name).read_text()
        self.out.close()
        self.log.close()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., Stand]]:
    """Start `serve` and wait until worker and store answer; it is stopped in order afterwards."""
    stands: list[Stand] = []

    def make(*, respawned: bool = False) -> Stand:
        stands.append(Stand(tmp_path, respawned=respawned))
        stand = stands[-1]
        wait_until(lambda: stand.process.poll() is not None or stand.store_pid(), "the store")
        wait_until(lambda: b"everything started" in Path(stand.log.name).read_bytes(), "everything")
        return stand

    yield make
    for stand in stands:
        stand.close()


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_killed_store_is_back_with_its_data(serving: Callable[..., Stand]) -> None:
    """`kill -9` of the store loses nothing that was acknowledged."""
    stand = serving()
    with stand.client() as client:
        client.set("kept", "yes")
    first = stand.store_pid()

    os.kill(first, signal.SIGKILL)

    wait_until(lambda: stand.store_pid() not in (0, first), "another store")
    with stand.client() as client:
        assert client.get("kept") == b"yes"


def test_killed_worker_is_replaced_and_said_goodbye_for(serving: Callable[..., Stand]) -> None:
    """The other worker answers meanwhile on the same socket, and the hook names the dead process."""
    stand = serving()
    name, pid = stand.ask()

    os.kill(pid, signal.SIGKILL)

    assert stand.ask()[1] != pid
    wait_until(lambda: f"goodbye {name} {pid}\n" in stand.said(), "the goodbye")


def test_children_die_with_a_killed_supervisor(serving: Callable[..., Stand]) -> None:
    """Without anybody to restart it, a killed supervisor leaves nothing running and the directory free."""
    stand = serving()
    children = [stand.store_pid(), stand.ask()[1]]

    stand.process.kill()
    stand.process.wait()

    wait_until(lambda: not any(_is_alive(pid) for pid in children), "the children to die")
    again = serving()
    assert again.store_pid() not in children
    stand.process = again.process


def test_killed_supervisor_is_started_again_and_no_connection_is_refused(serving: Callable[..., Stand]) -> None:
    """Whoever restarts it holds the socket: a request made in between waits and is answered."""
    stand = serving(respawned=True)
    with stand.client() as client:
        client.set("kept", "yes")
    first, store, worker = stand.supervisor(), stand.store_pid(), stand.ask()[1]

    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not _is_alive(worker), "the worker to die with it")
    _, answered_by = stand.ask()

    assert answered_by != worker
    wait_until(lambda: stand.store_pid() not in (0, store), "another store")
    assert stand.supervisor() != first
    with stand.client() as client:
        assert client.get("kept") == b"yes"


def test_orphaned_store_is_stopped_first(serving: Callable[..., Stand], tmp_path: Path) -> None:
    """A store that no parent-death signal reached is stopped before another one opens the same files."""
    store = EmbeddedStore(tmp_path)
    store.claim()
    orphan = store.start()
    store.wait_ready(orphan)
    store.release()
    with redis.Redis.from_url(store.url) as client:
        client.set("kept", "yes")

    stand = serving()

    assert orphan.wait(5) == 0
    assert stand.store_pid() != orphan.pid
    with stand.client() as client:
        assert client.get("kept") == b"yes"


def test_second_serve_on_one_directory_is_refused(serving: Callable[..., Stand], tmp_path: Path) -> None:
    """It names the process that has the directory, and disturbs nothing."""
    stand = serving()
    store = stand.store_pid()

    second = subprocess.run(
        [sys.executable, "-c", _SERVE, str(tmp_path), "127.0.0.1:1", _WORKER, _IDLE],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert second.returncode == 2
    assert f"in use by process {stand.process.pid}" in second.stdout
    assert stand.store_pid() == store


def test_store_is_stopped_last_and_cleanly(serving: Callable[..., Stand]) -> None:
    """After a stop in order there is no process, no note of one, and goodbyes came for the workers."""
    stand = serving()
    store, (name, worker) = stand.store_pid(), stand.ask()

    stand.process.terminate()
    stand.process.wait(20)

    assert not _is_alive(store)
    assert f"goodbye {name} {worker}\n" in stand.said()
    assert stand.said().splitlines()[-1] == f"goodbye store {store}"
