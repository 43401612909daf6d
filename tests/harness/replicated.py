"""Replicated stores for tests: a primary with replicas and Sentinels, or a Cluster, all real and on loopback ports.

Ports are handed out by the kernel, so that runs beside each other do not meet. All die with the test process.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from latchstring_gateway.store import keys
from latchstring_gateway.store.embedded import find_server
from latchstring_gateway.supervise.launch import launched

from .waiting import wait_until

#: How long a server must be silent until the others replace it: short, so that tests are.
DOWN_AFTER_MS = 1_000


def free_port() -> int:
    """A port that is free now; a Cluster also takes the one 10,000 above."""
    while True:
        with socket.socket() as one, socket.socket() as bus:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            if port > 55_000:
                continue
            with contextlib.suppress(OSError):
                bus.bind(("127.0.0.1", port + 10_000))
                return port


class Server:
    """One server process and the blows a test may deal it."""

    def __init__(self, directory: Path, name: str, *options: str, is_sentinel: bool = False) -> None:
        self.port = free_port()
        self._directory = directory / name
        self._directory.mkdir()
        self._conf = self._directory / "server.conf"
        lines = [f"port {self.port}", "bind 127.0.0.1", "daemonize no", f"dir {self._directory}", *options]
        self._conf.write_text("\n".join([*lines, f"logfile {self._directory / 'log'}"]) + "\n")
        self._is_sentinel = is_sentinel
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [str(find_server()), str(self._conf), *(["--sentinel"] if self._is_sentinel else [])]
        process = subprocess.Popen(launched(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(
            lambda: self._answers() or process.poll() is not None,
            f"{self._directory.name} to answer",
            timeout_seconds=20,
        )
        assert process.poll() is None, (self._directory / "log").read_text()[-2_000:]
        return process

    def _answers(self) -> bool:
        with self.client() as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def client(self) -> redis.Redis:
        """A blocking client; the caller closes it."""
        return redis.Redis("127.0.0.1", self.port, decode_responses=True, socket_timeout=2, retry=Retry(NoBackoff(), 0))

    def ask(self, *words: str | int) -> object:
        """One command."""
        with self.client() as client:
            return client.execute_command(*words)

    def role(self) -> str:
        """master, slave, or gone."""
        with contextlib.suppress(redis.RedisError):
            return str(self.ask("ROLE")[0])  # type: ignore[index]
        return "gone"

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

    def restart(self) -> None:
        """Start it again on its data; a changed configuration, as Sentinel writes it, is kept."""
        self.kill9()
        self._process = self._start()

    def close(self) -> None:
        """End it."""
        self.kill9()


_DURABLE = (
    "appendonly yes",
    "appendfsync always",
    "save ''",
    "repl-diskless-sync-delay 0",
    "repl-ping-replica-period 1",
)
_GUARDED = ("min-replicas-to-write 1", "min-replicas-max-lag 2")
#: What is said of the lag without any is what receipts wait for: short, so that tests are.
_UNGUARDED = ("min-replicas-max-lag 1",)


@dataclass
class Sentinels:
    """One primary at first, its replicas, and three Sentinels that watch it under the name `latch`."""

    servers: list[Server]
    sentinels: list[Server]

    @property
    def url(self) -> str:
        """As LATCHSTRING_STORE takes it."""
        return "redis+sentinel://" + ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels) + "/latch"

    def primary(self) -> Server:
        """Whom the Sentinels name."""
        host_port = self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "latch")
        return next(one for one in self.servers if str(one.port) == host_port[1])  # type: ignore[index]

    def replicas(self) -> list[Server]:
        """Everybody else."""
        primary = self.primary()
        return [one for one in self.servers if one is not primary]

    def fail_over(self, *, coordinated: bool = False) -> None:
        """Have the Sentinels replace a primary that is well; coordinated (Valkey 9), it hands over in step."""
        self.sentinels[0].ask("SENTINEL", "FAILOVER", "latch", *(["COORDINATED"] if coordinated else []))

    def wait_settled(self, former: Server | None = None, timeout_seconds: float = 20) -> None:
        """Return when there is a primary, another one than `former`, with a replica that follows it."""

        def is_settled() -> bool:
            primary = self.primary()
            if primary is former or primary.role() != "master":
                return False
            with primary.client() as client, contextlib.suppress(redis.RedisError):
                return bool(client.info("replication")["connected_slaves"])
            return False

        wait_until(is_settled, "a primary with a replica", timeout_seconds)


@contextlib.contextmanager
def replicated(replicas: int = 2, *, guarded: bool = True) -> Iterator[list[Server]]:
    """A primary, then its replicas, until the end of the block; `guarded` primaries want one that is not behind."""
    with _directory() as directory:
        servers: list[Server] = []
        options = (*_DURABLE, *(_GUARDED if guarded else _UNGUARDED))
        try:
            servers.extend(Server(directory, f"server-{number}", *options) for number in range(1 + replicas))
            for one in servers[1:]:
                one.ask("REPLICAOF", "127.0.0.1", servers[0].port)
            wait_until(lambda: len(servers[0].ask("ROLE")[2]) == replicas, "the replicas to follow")  # type: ignore[index]
            yield servers
        finally:
            for one in servers:
                one.close()


@contextlib.contextmanager
def sentinels(replicas: int = 2) -> Iterator[Sentinels]:
    """The same with three Sentinels that watch them."""
    with replicated(replicas) as servers, _directory() as directory:
        started: list[Server] = []
        try:
            watch = (
                f"sentinel monitor latch 127.0.0.1 {servers[0].port} 2",
                f"sentinel down-after-milliseconds latch {DOWN_AFTER_MS}",
                "sentinel failover-timeout latch 3000",
                "sentinel parallel-syncs latch 2",
            )
            started.extend(Server(directory, f"sentinel-{n}", *watch, is_sentinel=True) for n in range(3))
            store = Sentinels(servers, started)
            wait_until(lambda: all(_knows(one, replicas) for one in started), "the Sentinels to know each other")
            yield store
        finally:
            for one in started:
                one.close()


@dataclass
class Cluster:
    """Masters with as many replicas each; slots are spread evenly."""

    servers: list[Server]
    replicas: int = 1

    @property
    def url(self) -> str:
        """As LATCHSTRING_STORE takes it: two members are enough to find the others."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{one.port}" for one in self.servers[:2])

    def masters(self) -> list[Server]:
        """Whoever takes itself for one."""
        return [one for one in self.servers if one.role() == "master"]

    def slots(self) -> list[Any]:
        """Ranges of slots, each with its owner, as most masters see them: [first, last, [host, port, ...], ...]."""
        seen = [one.ask("CLUSTER", "SLOTS") for one in self.masters()]
        return max(seen, key=seen.count)  # type: ignore[arg-type]

    def owner_of_registry(self) -> Server:
        """The master of partition 0."""
        slot = self.servers[0].ask("CLUSTER", "KEYSLOT", keys.DEPLOYMENT)
        port = next(owner[1] for first, last, owner, *_ in self.slots() if first <= slot <= last)
        return next(one for one in self.servers if one.port == port)

    def replica_of(self, master: Server) -> Server:
        """The one that follows it."""
        return next(one for one in self.servers if one.role() == "slave" and one.ask("ROLE")[2] == master.port)  # type: ignore[index]

    def wait_settled(self, masters: int, timeout_seconds: float = 30) -> None:
        """Return when every member says that all is well, and each master has its replicas; nobody may be dead."""

        def is_settled() -> bool:
            well = all("cluster_state:ok" in str(one.ask("CLUSTER", "INFO")) for one in self.servers)
            told: list[Any] = [one.ask("ROLE") for one in self.servers]
            followers = [len(role[2]) for role in told if role[0] == "master"]
            return well and followers == [self.replicas] * masters

        wait_until(is_settled, "the Cluster to be well", timeout_seconds)


@contextlib.contextmanager
def cluster(masters: int = 3, replicas: int = 1) -> Iterator[Cluster]:
    """A Cluster until the end of the block, made with CLUSTER commands as its tools do."""
    options = (*_DURABLE, "cluster-enabled yes", "cluster-node-timeout 2000", "cluster-replica-validity-factor 0")
    with _directory() as directory:
        servers: list[Server] = []
        try:
            servers.extend(
                Server(directory, f"member-{number}", *options) for number in range((1 + replicas) * masters)
            )
            share = 16_384 // masters
            for number, one in enumerate(servers[:masters]):
                last = 16_383 if number == masters - 1 else (number + 1) * share - 1
                one.ask("CLUSTER", "ADDSLOTSRANGE", number * share, last)
                one.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for one in servers[1:]:
                one.ask("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
            ids = [str(one.ask("CLUSTER", "MYID")) for one in servers]
            wait_until(
                lambda: all(str(one.ask("CLUSTER", "NODES")).count("connected") == len(servers) for one in servers),
                "the members to know each other",
                20,
            )
            for number, one in enumerate(servers[masters:]):
                one.ask("CLUSTER", "REPLICATE", ids[number % masters])
            made = Cluster(servers, replicas)
            made.wait_settled(masters)
            yield made
        finally:
            for one in servers:
                one.close()


def _knows(sentinel: Server, replicas: int) -> bool:
    with sentinel.client() as client:
        state = client.sentinel_masters()["latch"]
    return (state["num-other-sentinels"], state["num-slaves"]) == (2, replicas)


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="latch-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)
