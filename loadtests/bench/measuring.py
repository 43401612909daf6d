"""One measurement: wrk against a server that has a core to itself, and what the server's processes cost meanwhile."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER_CORE = 0
CLIENT_CORE = 1
CONNECTIONS = 32

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """The benchmark cannot run or its figures mean nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of wrk."""

    requests_per_second: float
    cpu_microseconds: float


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of its children, living ones and those waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    spent = sum(int(fields[at]) for at in (11, 12, 13, 14)) / _TICKS_PER_SECOND
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return spent + sum(cpu_seconds(int(child)) for child in children)


def measure(
    pids: Sequence[int], url: str, headers: dict[str, str], seconds: float, wrk_script: Sequence[str] = ()
) -> Sample:
    """Load `url` for `seconds` from the other core, over keep-alive connections. BenchError if any answer is no 2xx.

    `wrk_script` are further words for wrk: `-s`, a script, `--` and its arguments.
    """
    lines = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    script, arguments = wrk_script[:2], wrk_script[2:]
    load = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", *lines, *script, url, *arguments]
    before = sum(map(cpu_seconds, pids))
    shown = subprocess.run(
        ["taskset", "-c", str(CLIENT_CORE), *load], capture_output=True, text=True, check=True, timeout=seconds + 30
    ).stdout
    spent = sum(map(cpu_seconds, pids)) - before
    if "Non-2xx" in shown or "Socket errors" in shown:
        raise BenchError(f"{url} did not answer every request with 2xx:\n{shown}")
    total = re.search(r"(\d+) requests in", shown)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", shown)
    if total is None or rate is None or not int(total[1]):
        raise BenchError(f"wrk said something unexpected:\n{shown}")
    return Sample(float(rate[1]), spent / int(total[1]) * 1e6)
