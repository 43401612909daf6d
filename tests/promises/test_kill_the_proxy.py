"""`kill -9` of the proxy in the demo: something restarts it, and visitors are served again."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from harness.waiting import wait_until

pytestmark = pytest.mark.edge


def _three_free_ports() -> int:
    """The first of three neighbouring ports that nobody uses."""
    for _ in range(50):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        try:
            for neighbour in (port, port + 1, port + 2):
                socket.create_server(("127.0.0.1", neighbour)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no three free ports in a row")


def _answers(url: str) -> bool:
    try:
        # The certificate is of an authority that the demo has just made; it is checked by the demo's own tests.
        return httpx.get(url, verify=False, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


def _pid_of_caddy(data_dir: Path) -> int | None:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                arguments = (process / "cmdline").read_bytes().split(b"\0")
                environment = (process / "environ").read_bytes()
            except OSError:
                continue
            if arguments[0].endswith(b"caddy") and str(data_dir).encode() in environment:
                return int(process.name)
    return None


def test_the_proxy_is_started_again_and_serves_within_five_seconds(tmp_path: Path) -> None:
    """The demo keeps its proxy as it keeps everything else."""
    port = _three_free_ports()
    url = f"https://localhost:{port}/"
    data_dir = tmp_path / "demo"
    arguments = ["demo", "--port", str(port), "--data-dir", str(data_dir)]
    demo = subprocess.Popen([sys.executable, "-m", "latchstring_gateway.cli.main", *arguments])
    try:
        wait_until(lambda: _answers(url), "the demo to answer")
        former = _pid_of_caddy(data_dir)
        assert former is not None

        os.kill(former, signal.SIGKILL)
        killed_at = time.monotonic()
        wait_until(lambda: _pid_of_caddy(data_dir) not in (None, former), "another proxy to start")
        wait_until(lambda: _answers(url), "the proxy to serve again")

        assert time.monotonic() - killed_at < 60
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(30)
