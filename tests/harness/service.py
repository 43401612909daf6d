"""The whole of `latchstring serve` under the small parent that restarts it, and the means to kill any one process."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from harness import faulty_start
from harness.waiting import wait_until

_HARNESS = Path(__file__).parent
_COMMAND = [sys.executable, "-m", "latchstring_gateway.cli.main"]


class Service:
    """A running service in `data_dir`, reachable at `url`."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url = f"http://{self.address}"
        self.data_dir = data_dir
        self.env = {
            **os.environ,
            "LATCHSTRING_DATA_DIR": str(data_dir),
            "LATCHSTRING_LISTEN": self.address,
            "LATCHSTRING_LOG_LEVEL": "warning",
            "LATCHSTRING_SEGMENT_MAX_SECONDS": "1",
            **{f"LATCHSTRING_{name.upper()}": value for name, value in settings.items()},
        }
        if os.environ.get("EVIDENCE_BREAK") or os.environ.get(faulty_start.VARIABLE):
            self.env["PYTHONPATH"] = os.pathsep.join(map(str, (_HARNESS.parent, _HARNESS / "at_start")))
        keeper = [sys.executable, "-m", "latchstring_gateway.supervise.respawn", "--listen", self.address, "--"]
        self._keeper = subprocess.Popen([*keeper, *_COMMAND, "serve"], env=self.env)

    def command(self, *arguments: str) -> str:
        """What a `latchstring` command prints."""
        ran = subprocess.run([*_COMMAND, *arguments], env=self.env, check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    def is_ready(self) -> bool:
        """Whether the service says that it is whole."""
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def wait_ready(self, timeout_seconds: float = 20.0) -> None:
        """Return when it is whole."""
        wait_until(self.is_ready, "the service to be whole", timeout_seconds)

    def supervisor(self) -> int:
        """Process id of the supervisor."""
        return next(iter(_children(self._keeper.pid)))

    def pid_of(self, name: str) -> int | None:
        """Process id of a child by its name: store, shipper, deliverer, worker-1, …; None while it is not there."""
        for pid in _children(self.supervisor()):
            command = _read(pid, "cmdline")
            if name == "store" and b"valkey" in command:
                return pid
            if f"LATCHSTRING_CHILD={name}".encode() in _read(pid, "environ").split(b"\0"):
                return pid
        return None

    def kill9(self, name: str) -> None:
        """End one process as a crash would."""
        pid = self.supervisor() if name == "supervisor" else self.pid_of(name)
        assert pid is not None, f"{name} is not running"
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Stop everything in order."""
        self._keeper.terminate()
        self._keeper.wait(40)


@contextmanager
def running_service(data_dir: Path, **settings: str) -> Iterator[Service]:
    """A service that is whole at entry and stopped at exit."""
    with started_service(data_dir, **settings) as service:
        service.wait_ready()
        yield service


@contextmanager
def started_service(data_dir: Path, **settings: str) -> Iterator[Service]:
    """One that has been started, and may never be whole."""
    service = Service(data_dir, **settings)
    try:
        yield service
    finally:
        service.stop()


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # The command in parentheses may hold anything, also spaces and parentheses.
            fields = _read(int(entry.name), "stat").rpartition(b")")[2].split()
            if len(fields) > 1 and int(fields[1]) == parent and fields[0] != b"Z":
                found.append(int(entry.name))
    return sorted(found)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
