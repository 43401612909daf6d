"""Verify and hit beside nginx and bare uvicorn, each with one core to itself, wrk on another; `--help` for options.

CPU a request is the figure to look at: user and system time of the server's processes over the requests answered.
Rounds are interleaved, and medians shown, so that a noisy minute of the machine falls on all alike.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from heads import HIT, VERIFY
from measuring import BenchError, Sample, measure
from servers import Served, bare_asgi, latchstring, nginx
from verify_rows import VerifyRow, verify_rows

_HERE = Path(__file__).parent
_PACKAGES = {"wrk": "wrk", "nginx": "nginx-light", "taskset": "util-linux"}


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of the table."""

    name: str
    served: Served
    target: str
    headers: dict[str, str]
    #: Whose figures it is compared with, and at most how many times as much CPU it should take.
    yardsticks: dict[str, float] = field(default_factory=dict)
    wrk_script: tuple[str, ...] = ()
    #: What one request of it carries; its figures are of one of them.
    hits: int = 1


def contestants(nginx_served: Served, bare: Served, own: Served) -> list[Contestant]:
    """The rows, yardsticks first; every server gets the same bytes for the same kind of request."""
    verify = VERIFY | {"Cookie": f"theme=dark; {own.cookie}"}
    hit = HIT | {"Cookie": f"theme=dark; {own.cookie}"}
    pixel = "/b.gif?e=view&p=%2Fwatch%2F17&id=6f0c1b5e"
    return [
        Contestant("nginx return 200", nginx_served, "/verify", verify),
        Contestant("nginx empty_gif + access_log", nginx_served, pixel, hit),
        Contestant("uvicorn bare callable, as verify", bare, "/verify", verify),
        Contestant("uvicorn bare callable, as hit", bare, pixel, hit),
        Contestant(
            "latchstring verify",
            own,
            "/verify",
            verify,
            {"nginx return 200": 1.8, "uvicorn bare callable, as verify": 0.5},
        ),
        Contestant(
            "latchstring verify, a TV's token",
            own,
            "/verify",
            VERIFY | {"Authorization": f"Bearer {own.access_token}"},
            {"latchstring verify": 1.1},
        ),
        Contestant(
            "latchstring hit, journalled",
            own,
            pixel,
            hit,
            {"nginx empty_gif + access_log": 1.1, "uvicorn bare callable, as hit": 0.5},
        ),
        Contestant(
            "latchstring hit, in a batch of ten",
            own,
            "/b",
            hit,
            {"nginx empty_gif + access_log": 1.1},
            ("-s", str(_HERE / "batch_of_ten.lua")),
            hits=10,
        ),
    ]


def verify_contestants(cases: list[VerifyRow]) -> list[Contestant]:
    """Verify in all its cases; none should cost more for the number of revocations (noise apart)."""
    return [
        Contestant(
            case.name,
            case.served,
            "/verify",
            VERIFY if case.wrk_script else VERIFY | {"Cookie": f"theme=dark; {case.served.cookie}"},
            {} if case.name == case.baseline else {case.baseline: 1.15},
            case.wrk_script,
        )
        for case in cases
    ]


def run_rounds(rows: list[Contestant], rounds: int, seconds: float) -> dict[str, Sample]:
    """The median of each row."""
    samples: dict[str, list[Sample]] = {row.name: [] for row in rows}

    def take(row: Contestant, seconds: float) -> Sample:
        taken = measure(row.served.pids, row.served.origin + row.target, row.headers, seconds, row.wrk_script)
        return Sample(taken.requests_per_second * row.hits, taken.cpu_microseconds / row.hits)

    for row in rows:
        take(row, 1)
    for _round in range(rounds):
        for row in rows:
            samples[row.name].append(take(row, seconds))
    return {
        name: Sample(
            statistics.median(sample.requests_per_second for sample in taken),
            statistics.median(sample.cpu_microseconds for sample in taken),
        )
        for name, taken in samples.items()
    }


def print_table(rows: list[Contestant], medians: dict[str, Sample]) -> None:
    """One table; a ratio is CPU a request over the yardstick's, with the goal beside it."""
    print(f"{'':34}{'requests/s':>12}{'CPU us/request':>16}   CPU compared with")
    for row in rows:
        sample = medians[row.name]
        ratios = "   ".join(
            f"{name}: {sample.cpu_microseconds / medians[name].cpu_microseconds:.2f} (goal <= {goal})"
            for name, goal in row.yardsticks.items()
        )
        print(f"{row.name:34}{sample.requests_per_second:12,.0f}{sample.cpu_microseconds:16.2f}   {ratios}".rstrip())


def as_json(rows: list[Contestant], medians: dict[str, Sample]) -> str:
    """The same figures for a machine."""
    return json.dumps(
        {
            row.name: {
                "requests_per_second": round(medians[row.name].requests_per_second),
                "cpu_microseconds": round(medians[row.name].cpu_microseconds, 3),
                "ratios": {
                    name: {
                        "cpu": round(medians[row.name].cpu_microseconds / medians[name].cpu_microseconds, 3),
                        "goal": goal,
                    }
                    for name, goal in row.yardsticks.items()
                },
            }
            for row in rows
        },
        indent=2,
    )


def main() -> int:
    """Run the benchmark; 0 when it ran (speeds decide nothing), 1 when it could not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=72, help="for all measurements together (default: 72)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default: 3)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    chosen = parser.parse_args()
    missing = [package for program, package in _PACKAGES.items() if shutil.which(program) is None]
    if missing:
        print(f"the benchmark needs: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    if len(os.sched_getaffinity(0)) < 2:
        print("the benchmark needs two cores: one for the server, one for wrk", file=sys.stderr)
        return 1
    try:
        with tempfile.TemporaryDirectory(prefix="latchstring-bench-") as temporary, contextlib.ExitStack() as stack:
            served = [
                stack.enter_context(server)
                for server in (nginx(Path(temporary) / "nginx"), bare_asgi(), latchstring(Path(temporary) / "data"))
            ]
            rows = contestants(*served)
            medians = run_rounds(rows, chosen.rounds, chosen.seconds / chosen.rounds / len(rows))
            with verify_rows(Path(temporary) / "verify") as cases:
                more = verify_contestants(cases)
                medians |= run_rounds(more, chosen.rounds, chosen.seconds / 2 / chosen.rounds / len(more))
            rows += more
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    if chosen.json:
        print(as_json(rows, medians))
    else:
        print(f"{platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}, one core each")
        print_table(rows, medians)
    return 0


if __name__ == "__main__":
    sys.exit(main())
