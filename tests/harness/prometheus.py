"""Debian's Prometheus on the shipped alert rules, with all durations divided by one factor."""

import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from latchstring_gateway.supervise.launch import launched

from .replicated import free_port
from .waiting import wait_until

RULES: Final = Path(__file__).parents[2] / "deploy" / "dashboards" / "alerts.yml"
SCRAPE_SECONDS: Final = 0.5
_SPAN: Final = re.compile(r"(?<=\[)(\d+)([smhd])(?=\])")
#: A gauge of seconds compared with a number. Days (90 * 86400) stay days: nothing here grows old so fast.
_AGE: Final = re.compile(r"(_seconds(?:\{[^}]*\})?\s*>\s*)([0-9.]+)$")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def rules(factor: float) -> dict[str, Any]:
    """The shipped rules; `factor` times as fast."""
    found: dict[str, Any] = yaml.safe_load(RULES.read_text())
    for group in found["groups"]:
        for rule in group["rules"]:
            rule["expr"] = _AGE.sub(lambda age: age[1] + repr(float(age[2]) / factor), rule["expr"])
            rule["expr"] = _SPAN.sub(lambda span: _faster(span[1], span[2], factor), rule["expr"])
            if "for" in rule:
                rule["for"] = _faster(rule["for"][:-1], rule["for"][-1], factor)
    return found


def _faster(number: str, unit: str, factor: float) -> str:
    return f"{round(int(number) * _SECONDS[unit] * 1_000 / factor)}ms"


class Prometheus:
    """A running server; alerts are (name, instance), the instance as `targets` call it, "" where a rule has none."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self._url = url
        self._process = process

    def firing(self) -> set[tuple[str, str]]:
        """What fires now."""
        answer = httpx.get(f"{self._url}/api/v1/alerts", timeout=10).raise_for_status().json()
        return {
            (alert["labels"]["alertname"], alert["labels"].get("instance", ""))
            for alert in answer["data"]["alerts"]
            if alert["state"] == "firing"
        }

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The result of an instant query, for a message."""
        answer = httpx.get(f"{self._url}/api/v1/query", params={"query": query}, timeout=10).raise_for_status().json()
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def wait_firing(self, wanted: set[tuple[str, str]], *, timeout_seconds: float) -> None:
        """Return when all of these fire. What else fires is the caller's to look at."""
        wait_until(lambda: wanted <= self.firing(), f"{sorted(wanted)} to fire", timeout_seconds)

    def seen_within(self, seconds: float) -> set[tuple[str, str]]:
        """Whatever fires at any time from now on, for so long."""
        seen, until = set[tuple[str, str]](), time.monotonic() + seconds
        while time.monotonic() < until:
            seen |= self.firing()
            time.sleep(SCRAPE_SECONDS / 2)
        return seen


@contextlib.contextmanager
def prometheus(directory: Path, targets: Mapping[str, str], *, factor: float) -> Iterator[Prometheus]:
    """A server that scrapes `targets` (name: host:port) under the name as instance, until the end of the block."""
    binary = shutil.which("prometheus")
    assert binary is not None, "the tests need Debian's prometheus: `make set-up`"
    directory.mkdir(parents=True)
    (directory / "rules.yml").write_text(json.dumps(rules(factor)))
    (directory / "prometheus.yml").write_text(
        json.dumps(
            {
                "global": {
                    "scrape_interval": f"{round(SCRAPE_SECONDS * 1_000)}ms",
                    "scrape_timeout": f"{round(SCRAPE_SECONDS * 1_000)}ms",
                    "evaluation_interval": "250ms",
                },
                "rule_files": ["rules.yml"],
                "scrape_configs": [
                    {
                        "job_name": "latchstring",
                        "static_configs": [
                            {"targets": [address], "labels": {"instance": name}} for name, address in targets.items()
                        ],
                    }
                ],
            }
        )
    )
    address = f"127.0.0.1:{free_port()}"
    command = [
        *(binary, f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'data'}"),
        *(f"--web.listen-address={address}", "--log.level=error"),
    ]
    process = subprocess.Popen(launched(command))
    try:
        wait_until(lambda: _is_up(f"http://{address}"), "Prometheus to answer", 30)
        yield Prometheus(f"http://{address}", process)
    finally:
        process.kill()
        process.wait()


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
