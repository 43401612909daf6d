"""People on the website, by Locust, against the whole service: no request fails, every acknowledged hit is counted."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from harness.waiting import wait_until
from latchstring_gateway.reports.ledger import ledger

pytestmark = pytest.mark.load

_LATCHSTRING = [sys.executable, "-m", "latchstring_gateway.cli.main"]
_SECONDS = 30


def _run(arguments: list[str], env: dict[str, str]) -> str:
    ran = subprocess.run([*_LATCHSTRING, *arguments], env=env, check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_half_a_minute_of_visitors_without_one_failure(tmp_path: Path) -> None:
    """Sign-ins, checks, beacons and removals for 30 s: no failure, and the ledger holds just the hits answered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    env = {
        **os.environ,
        "LATCHSTRING_DATA_DIR": str(tmp_path / "data"),
        "LATCHSTRING_LISTEN": url.removeprefix("http://"),
        "LATCHSTRING_SEGMENT_MAX_SECONDS": "2",
    }
    service = subprocess.Popen([*_LATCHSTRING, "serve"], env=env)
    try:
        wait_until(lambda: _is_ready(url), "the service to be ready")
        env["LATCHSTRING_SERVICE_KEY"] = _run(["service-keys", "add", "load"], env)
        locust = [sys.executable, "-m", "locust", "-f", "loadtests/website.py", "--host", url, "--headless"]
        limits = ["-u", "40", "-r", "40", "-t", f"{_SECONDS}s", "--stop-timeout", "10", "--json"]

        outcome = subprocess.run([*locust, *limits], env=env, capture_output=True, text=True)

        assert outcome.returncode == 0, outcome.stderr[-2_000:]
        rows = {row["name"]: row for row in json.loads(outcome.stdout)}
        assert {name: row["num_failures"] for name, row in rows.items() if row["num_failures"]} == {}
        assert rows["/verify removed"]["num_requests"] > 10
        hits = rows["/b.gif"]["num_requests"] + rows["/b"]["num_requests"]
        data = tmp_path / "data"
        wait_until(lambda: _settled(data), "every hit to be shipped")
        total = ledger(data).total
        assert (total.received, total.good, total.pending) == (hits, hits, 0)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(40)


def _settled(data: Path) -> bool:
    return ledger(data).total.pending == 0
