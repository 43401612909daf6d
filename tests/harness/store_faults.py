"""What can go wrong with a store that somebody still looks after: real faults of a real server, and their end.

Each is a context manager: the fault begins on entry, and on exit whatever the operator would do about it is done.
"""

import contextlib
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final

import redis
from redis.crc import key_slot

from latchstring_gateway.store import keys
from latchstring_gateway.store.embedded import find_server
from latchstring_gateway.supervise.launch import launched

from .valkey import Valkey
from .waiting import wait_until

Fault = Callable[[Valkey], AbstractContextManager[None]]

_SLOTS: Final = 16_384
#: Two made-up node ids of a Cluster: the server itself, and one that cannot be reached.
_ITSELF, _ELSEWHERE = "a" * 40, "b" * 40


@contextlib.contextmanager
def _admin(valkey: Valkey) -> Iterator[Any]:
    """One connection that was there before the fault and outlives it."""
    client = redis.Redis.from_url(valkey.url, single_connection_client=True)
    client.ping()
    try:
        yield client
    finally:
        client.close()


def _cut_the_others(admin: Any) -> None:
    for kind in ("normal", "pubsub"):
        admin.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


@contextlib.contextmanager
def _configured(valkey: Valkey, **values: str) -> Iterator[None]:
    with _admin(valkey) as admin:
        names = [name.replace("_", "-") for name in values]
        before = {name: admin.config_get(name)[name] for name in names}
        for name, value in zip(names, values.values(), strict=True):
            admin.config_set(name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                admin.config_set(name, value)


@contextlib.contextmanager
def read_only_replica(valkey: Valkey) -> Iterator[None]:
    """It was made a replica: READONLY to every script, and reads answered from what it holds."""
    with _admin(valkey) as admin:
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            yield
        finally:
            admin.execute_command("REPLICAOF", "NO", "ONE")


@contextlib.contextmanager
def stale_replica(valkey: Valkey) -> Iterator[None]:
    """A replica that has lost its primary and refuses even to read: MASTERDOWN."""
    with _configured(valkey, replica_serve_stale_data="no"), read_only_replica(valkey):
        yield


@contextlib.contextmanager
def refused(valkey: Valkey) -> Iterator[None]:
    """It crashed; nobody listens."""
    valkey.kill9()
    try:
        yield
    finally:
        valkey.restart()


@contextlib.contextmanager
def hanging(valkey: Valkey) -> Iterator[None]:
    """A black hole: connections stand and are even taken, nothing is answered."""
    valkey.freeze()
    try:
        yield
    finally:
        valkey.thaw()


@contextlib.contextmanager
def loading(valkey: Valkey) -> Iterator[None]:
    """It was started again and reads a data set that takes its time: LOADING."""
    with valkey.client() as client:
        pipe = client.pipeline(transaction=False)
        for number in range(5_000):
            pipe.set(f"filler:{number}", "x" * 100, ex=600)
        pipe.execute()
        client.bgrewriteaof()
        wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "the data set to be written")
    valkey.kill9()
    # 5,000 keys of 5 ms each. Between two kilobytes it answers, as it does between two megabytes of a large data set.
    valkey.start_loading("--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024")
    try:
        yield
    finally:
        with valkey.client() as client:
            client.config_set("key-load-delay", "0")
        valkey.wait_ready()


@contextlib.contextmanager
def wrong_password(valkey: Valkey) -> Iterator[None]:
    """Somebody set a password under running workers: NOAUTH on every new connection."""
    with _admin(valkey) as admin:
        admin.execute_command("ACL", "SETUSER", "default", "resetpass", ">changed")
        _cut_the_others(admin)
        try:
            yield
        finally:
            admin.execute_command("ACL", "SETUSER", "default", "nopass")


@contextlib.contextmanager
def no_permission(valkey: Valkey) -> Iterator[None]:
    """Somebody took the right to run scripts away: NOPERM on connections that stand."""
    with _admin(valkey) as admin:
        admin.execute_command("ACL", "SETUSER", "default", "-@scripting")
        try:
            yield
        finally:
            admin.execute_command("ACL", "SETUSER", "default", "+@scripting")


@contextlib.contextmanager
def too_many_clients(valkey: Valkey) -> Iterator[None]:
    """Others took every connection it gives: new ones are closed with an error."""
    with _admin(valkey) as admin:
        before = admin.config_get("maxclients")["maxclients"]
        admin.config_set("maxclients", "1")
        _cut_the_others(admin)
        try:
            yield
        finally:
            admin.config_set("maxclients", before)


@contextlib.contextmanager
def out_of_memory(valkey: Valkey) -> Iterator[None]:
    """Its memory is full and it may evict nothing: OOM to whatever writes."""
    with _configured(valkey, maxmemory="1"):
        yield


def _let_no_file_grow(valkey: Valkey) -> None:
    grows = max((valkey.store.directory / "appendonlydir").glob("*.incr.aof"), key=lambda file: file.stat().st_mtime)
    resource.prlimit(valkey.pid, resource.RLIMIT_FSIZE, (grows.stat().st_size, resource.RLIM_INFINITY))


@contextlib.contextmanager
def disk_full(valkey: Valkey) -> Iterator[None]:
    """The append-only file cannot grow (a limit on file sizes fails a write as a full disk does): MISCONF."""
    with _configured(valkey, appendfsync="everysec"):
        _let_no_file_grow(valkey)
        try:
            yield
        finally:
            resource.prlimit(valkey.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            with valkey.client() as client:
                wait_until(
                    lambda: client.info("persistence")["aof_last_write_status"] == "ok", "the file to grow again"
                )


@contextlib.contextmanager
def disk_full_and_gone(valkey: Valkey) -> Iterator[None]:
    """The same with `appendfsync always`: the server rather ends than breaks its word."""
    _let_no_file_grow(valkey)
    with valkey.client() as client, contextlib.suppress(redis.exceptions.ConnectionError):
        client.set("one-too-many", "x", ex=1)
    wait_until(valkey.is_gone, "the server to give up")
    try:
        yield
    finally:
        valkey.restart()


@contextlib.contextmanager
def _taken_over(valkey: Valkey, slots: str) -> Iterator[None]:
    """A server of a Cluster, which sees the slots so, answers at the store's address."""
    directory = valkey.data_dir / "cluster"
    directory.mkdir(exist_ok=True)
    beside = directory / "valkey.sock"
    port, bus = str(_free_port()), str(_free_port())
    its_slots, other_slots = slots.split("|")
    (directory / "nodes.conf").write_text(
        f"{_ITSELF} 127.0.0.1:{port}@{bus} myself,master - 0 0 1 connected {its_slots}\n"
        f"{_ELSEWHERE} 127.0.0.1:1@2 master - 0 0 2 connected {other_slots}\n"
        "vars currentEpoch 2 lastVoteEpoch 0\n"
    )
    command = [str(find_server()), "--cluster-enabled", "yes", "--unixsocket", str(beside), "--dir", str(directory)]
    command += ["--bind", "127.0.0.1", "--port", port, "--cluster-port", bus, "--save", "", "--logfile", "log"]
    command += ["--cluster-node-timeout", "600000", "--cluster-require-full-coverage", "no"]
    server = subprocess.Popen(launched(command), stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(unix_socket_path=str(beside)) as client:
            wait_until(lambda: _says_elsewhere(client), "the server to send clients elsewhere")
        valkey.kill9()
        beside.replace(valkey.socket_path)
        yield
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
    valkey.restart()


def _says_elsewhere(client: Any) -> bool:
    try:
        client.get(keys.WORKERS)
    except (redis.exceptions.AskError, redis.exceptions.MovedError):
        return True
    except redis.exceptions.RedisError:
        return False
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def moved(valkey: Valkey) -> AbstractContextManager[None]:
    """Its address became that of a Cluster node without a slot: MOVED."""
    return _taken_over(valkey, f"|0-{_SLOTS - 1}")


def ask(valkey: Valkey) -> AbstractContextManager[None]:
    """Its address became that of a Cluster node that is giving our slots away: ASK."""
    slots = sorted({key_slot(keys.prefix(p).encode()) for p in range(keys.PARTITIONS)})
    leaving = " ".join(f"[{slot}->-{_ELSEWHERE}]" for slot in slots)
    return _taken_over(valkey, f"0-{_SLOTS - 1} {leaving}|")


FAULTS: Final[dict[str, Fault]] = {
    "READONLY replica": read_only_replica,
    "replica without its primary": stale_replica,
    "connection refused": refused,
    "LOADING": loading,
    "wrong password": wrong_password,
    "no permission": no_permission,
    "maxclients reached": too_many_clients,
    "out of memory": out_of_memory,
    "disk full, MISCONF": disk_full,
    "disk full, server gone": disk_full_and_gone,
    "MOVED": moved,
    "ASK": ask,
}
