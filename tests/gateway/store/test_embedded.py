"""The embedded store: found, private, durable, alone in its directory, and honest about why it cannot run."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis
import redis.asyncio

from harness.valkey import Valkey
from harness.waiting import wait_until
from latchstring_gateway.store.embedded import (
    EmbeddedStore,
    EmbeddedStoreError,
    Health,
    StoreInUse,
    find_server,
    socket_path,
    store_url,
)
from latchstring_gateway.supervise.launch import launched

pytestmark = pytest.mark.store

MakeValkey = Callable[[], Valkey]


def _bytes_handed_to_disk(pid: int) -> int:
    """What a process has caused to be sent to the storage layer so far (proc(5), io)."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(fields["write_bytes"])


@pytest.fixture
def orphan_of(own_valkey: MakeValkey) -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    """Start a server that no parent-death signal protects, and forget the lock, as a killed supervisor would."""
    processes: list[subprocess.Popen[bytes]] = []

    def make(data_dir: Path) -> subprocess.Popen[bytes]:
        store = EmbeddedStore(data_dir)
        store.claim()
        processes.append(store.start())
        store.wait_ready(processes[-1])
        store.release()
        return processes[-1]

    yield make
    for process in processes:
        process.kill()
        process.wait()


def test_server_binary_is_found_and_runs() -> None:
    """A server comes with the installation; nothing else has to be set up."""
    said = subprocess.run([find_server(), "--version"], capture_output=True, text=True, check=True).stdout

    assert "server" in said


def test_server_listens_on_a_private_socket_and_on_no_port(own_valkey: MakeValkey) -> None:
    """Only this user reaches the store: directory 0700, socket 0600, no TCP port."""
    server = own_valkey()

    with server.client() as client:
        assert client.config_get("port") == {"port": "0"} or client.config_get("port") == {b"port": b"0"}
    assert stat.S_IMODE(server.store.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.socket_path.stat().st_mode) == 0o600


def test_every_write_is_handed_to_the_disk_before_its_answer(own_valkey: MakeValkey) -> None:
    """`appendfsync always` is in force, and each acknowledged write has grown what went to the storage layer.

    The kernel's own count of bytes handed to storage stands in for watching the system calls; it cannot show that
    the flush was ordered before the answer, only that the bytes had left the page cache's hands by then.
    """
    server = own_valkey()
    with server.client() as client:
        settings = client.config_get("append*", "save", "maxmemory-policy")
        before = _bytes_handed_to_disk(server.pid)
        grown = []
        for number in range(5):
            client.set(f"key{number}", b"x" * 8192)
            grown.append(_bytes_handed_to_disk(server.pid))

    text = {str(k, "ascii") if isinstance(k, bytes) else k: v for k, v in settings.items()}
    assert text["appendonly"] in ("yes", b"yes")
    assert text["appendfsync"] in ("always", b"always")
    assert text["save"] in ("", b"")
    assert text["maxmemory-policy"] in ("noeviction", b"noeviction")
    assert all(later - earlier >= 8192 for earlier, later in zip([before, *grown], grown, strict=False))


def test_data_survives_kill_at_once(own_valkey: MakeValkey) -> None:
    """What was acknowledged is there after `kill -9` and a new start."""
    server = own_valkey()
    with server.client() as client:
        client.set("kept", "yes")

    server.kill9()
    server.restart()

    with server.client() as client:
        assert client.get("kept") == b"yes"


def test_data_survives_a_clean_stop(own_valkey: MakeValkey) -> None:
    """State is kept across restarts, and a clean stop leaves no word of a running server."""
    server = own_valkey()
    with server.client() as client:
        client.set("kept", "yes")

    server.stop()

    assert not (server.store.directory / "valkey.pid").exists()
    server.restart()
    with server.client() as client:
        assert client.get("kept") == b"yes"


def test_torn_tail_of_the_append_only_file_is_accepted(own_valkey: MakeValkey) -> None:
    """A write cut off in the middle, never acknowledged, does not keep the store from starting."""
    server = own_valkey()
    with server.client() as client:
        client.set("whole", "yes")
    server.kill9()
    file = next((server.store.directory / "appendonlydir").glob("*.incr.aof"))
    with file.open("ab") as torn:
        torn.write(b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$100\r\nonly")

    server.restart()

    with server.client() as client:
        assert client.get("whole") == b"yes"
        assert client.get("half") is None


def test_damaged_append_only_file_is_explained_with_its_remedy(own_valkey: MakeValkey) -> None:
    """Damage before the end stops the start with a message that holds the command that repairs the file."""
    server = own_valkey()
    with server.client() as client:
        for number in range(50):
            client.set(f"key{number}", "value")
    server.kill9()
    file = next((server.store.directory / "appendonlydir").glob("*.incr.aof"))
    data = bytearray(file.read_bytes())
    data[300:320] = b"?" * 20
    file.write_bytes(data)

    with pytest.raises(EmbeddedStoreError, match="damaged before its end") as caught:
        server.restart()

    remedy = str(caught.value).rpartition("too: ")[2]
    assert "valkey-check-aof" in remedy
    mended = subprocess.run(["bash", "-c", remedy], input=b"y\n", capture_output=True)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    server.restart()
    with server.client() as client:
        assert client.get("key0") == b"value"


def test_damaged_base_file_is_explained(own_valkey: MakeValkey) -> None:
    """Damage in the compacted part cannot be cut away: the message asks for a backup."""
    server = own_valkey()
    server.kill9()
    file = next((server.store.directory / "appendonlydir").glob("*.base.rdb"))
    file.write_bytes(file.read_bytes()[:20] + b"\xff" * 30)

    with pytest.raises(EmbeddedStoreError, match=r"base file .* is damaged .*put a backup"):
        server.restart()


def test_second_instance_on_one_directory_is_refused_and_told_by_whom(own_valkey: MakeValkey) -> None:
    """A second supervisor learns which process has the directory and what it can do."""
    server = own_valkey()

    with pytest.raises(StoreInUse, match=rf"in use by process {os.getpid()}.*LATCHSTRING_DATA_DIR"):
        EmbeddedStore(server.data_dir).claim()


def test_directory_is_free_again_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    """The claim dies with its process and is not handed on to the server it started."""
    script = (
        "import sys, pathlib, time\n"
        "from latchstring_gateway.store.embedded import EmbeddedStore\n"
        "store = EmbeddedStore(pathlib.Path(sys.argv[1])); store.claim()\n"
        "store.wait_ready(store.start()); print('ready', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        first.kill()

    store = EmbeddedStore(tmp_path)
    store.claim()

    assert store.stop_orphan() is not None
    store.release()


def test_orphan_is_stopped_before_a_successor_starts(
    tmp_path: Path, orphan_of: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    """A server that outlived its supervisor is found by what was noted at its start, and its data are kept."""
    orphan = orphan_of(tmp_path)
    with redis.Redis.from_url(store_url(tmp_path)) as client:
        client.set("kept", "yes")
    store = EmbeddedStore(tmp_path)
    store.claim()

    stopped = store.stop_orphan()

    assert stopped == orphan.pid
    assert orphan.wait(1) == 0
    process = store.start(launched)
    store.wait_ready(process)
    with redis.Redis.from_url(store.url) as client:
        assert client.get("kept") == b"yes"
    store.stop(process)
    store.release()


def test_orphan_without_a_note_is_found_by_its_socket(
    tmp_path: Path, orphan_of: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    """Even if its supervisor died before it could note the server's process id."""
    orphan = orphan_of(tmp_path)
    (tmp_path / "store" / "valkey.pid").unlink()
    store = EmbeddedStore(tmp_path)
    store.claim()

    assert store.stop_orphan() == orphan.pid
    store.release()


def test_frozen_orphan_is_stopped_too(tmp_path: Path, orphan_of: Callable[[Path], subprocess.Popen[bytes]]) -> None:
    """A stopped process takes no SIGTERM: it is thawed to obey."""
    orphan = orphan_of(tmp_path)
    orphan.send_signal(signal.SIGSTOP)
    store = EmbeddedStore(tmp_path)
    store.claim()

    assert store.stop_orphan() == orphan.pid
    store.release()


def test_stranger_with_a_noted_process_id_is_left_alone(tmp_path: Path) -> None:
    """A process id that was given to somebody else since is not the orphan: nobody is signalled."""
    store = EmbeddedStore(tmp_path)
    store.claim()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (store.directory / "valkey.pid").write_text(f"{stranger.pid} 1 00000000-0000-0000-0000-000000000000\n")

        assert store.stop_orphan() is None
        assert stranger.poll() is None
        stranger.kill()
    store.release()


def test_stranger_on_our_socket_is_named_and_left_alone(tmp_path: Path) -> None:
    """Something else that listens on the store's socket is reported, never killed."""
    store = EmbeddedStore(tmp_path)
    store.claim()
    script = (
        "import socket, sys; s = socket.socket(1); s.bind(sys.argv[1]); s.listen(); print(1, flush=True); s.accept()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script + "; s.accept()", str(store.socket_path)], stdout=subprocess.PIPE
    ) as stranger:
        assert stranger.stdout is not None
        stranger.stdout.readline()

        with pytest.raises(EmbeddedStoreError, match=f"process {stranger.pid} listens on"):
            store.stop_orphan()
        assert stranger.poll() is None
        stranger.kill()
    store.release()


@pytest.fixture
def runtime_dir() -> Iterator[str]:
    """A runtime directory with a short name, as a session's own is."""
    with TemporaryDirectory(prefix="latch-") as directory:
        yield directory


def test_long_data_directory_gets_a_short_socket(
    tmp_path: Path, runtime_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path longer than a socket's may be is no obstacle, and every process finds the same short one."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime_dir)
    data_dir = tmp_path / ("d" * 60) / 'with "quotes" and \\ in its näme' / ("e" * 60)
    store = EmbeddedStore(data_dir)
    store.claim()
    process = store.start(launched)
    store.wait_ready(process)

    monkeypatch.delenv("XDG_RUNTIME_DIR")

    assert len(os.fsencode(store.socket_path)) <= 107
    assert socket_path(data_dir) == store.socket_path
    with redis.Redis.from_url(store_url(data_dir)) as client:
        assert client.ping()
    store.stop(process)
    store.release()


def test_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A store directory that is a link into foreign ground is not used."""
    (tmp_path / "store").symlink_to(tmp_path)

    with pytest.raises(EmbeddedStoreError, match="must be a directory owned by user"):
        EmbeddedStore(tmp_path).claim()


def test_probe_tells_a_frozen_server_from_a_ready_one(own_valkey: MakeValkey) -> None:
    """A server that hangs is away, and ready again once it goes on."""
    server = own_valkey()
    assert server.store.probe(server.pid) is Health.READY

    server.freeze()

    assert server.store.probe(server.pid, timeout_seconds=0.1) is Health.AWAY
    server.thaw()
    wait_until(lambda: server.store.probe(server.pid) is Health.READY, "the thawed server to answer")


async def test_shared_server_is_empty_at_the_start_of_a_test(store_client: redis.asyncio.Redis) -> None:
    """No test sees what another one wrote."""
    assert await store_client.dbsize() == 0
