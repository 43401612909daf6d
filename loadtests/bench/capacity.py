"""What a session and a device weigh in the store, and what a check and a renewal cost, among a million sessions.

Long: some minutes and 2 KB of memory a session; `--sessions` for less. Figures and what follows from them are in
docs/capacity.md.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Final

from heads import NAVIGATION, VERIFY
from measuring import BenchError, cpu_seconds, measure
from population import DEVICES_PER_ACCOUNT, Population, weigh_renewed
from rich.console import Console
from rich.progress import Progress
from servers import Served, latchstring
from verify_rows import append_revocations

from latchstring_gateway import settings

_HERE: Final = Path(__file__).parent
#: Bytes of memory that must be free for each session, twice what it takes.
_ROOM_BYTES: Final = 4_096
_REVOCATIONS: Final = 100_000


def main() -> int:
    """Run it and print the figures as JSON; 1 if it cannot run here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1_000_000, help="how many (default: 1,000,000)")
    parser.add_argument("--seconds", type=float, default=5, help="of each load (default: 5)")
    chosen = parser.parse_args()
    try:
        _demand_room(chosen.sessions)
        with tempfile.TemporaryDirectory(prefix="latchstring-capacity-") as temporary:
            print(json.dumps(_measure(Path(temporary), chosen.sessions, chosen.seconds), indent=2))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _demand_room(sessions: int) -> None:
    available = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable:")
    )
    if available < sessions * _ROOM_BYTES:
        raise BenchError(f"{sessions:,} sessions want {sessions * _ROOM_BYTES / 2**30:.1f} GiB of free memory")


def _measure(directory: Path, sessions: int, seconds: float) -> dict[str, object]:
    data_dir, due = directory / "data", directory / "due"
    chosen = settings.read(data_dir=data_dir, lease_seconds=3_600)
    population = Population(chosen, sessions, due)

    def fill(_data_dir: Path) -> None:
        with Progress(console=Console(stderr=True)) as shown:
            task = shown.add_task("signing in", total=sessions)
            asyncio.run(population.settle(lambda done, _total: shown.update(task, completed=done)))

    with contextlib.ExitStack() as stack:
        served = stack.enter_context(latchstring(data_dir, before_start=fill))
        weights = population.weights
        if weights is None:
            raise BenchError("nothing was weighed")
        verify = VERIFY | {"Cookie": f"theme=dark; {served.cookie}"}
        known = measure(served.pids, f"{served.origin}/verify", verify, seconds)
        renewals = _renewals(served, due, seconds)
        before = _resident(served)
        asyncio.run(append_revocations(_REVOCATIONS, data_dir))
        _wait_applied(served)
        return {
            "machine": f"{platform.machine()}, Linux {platform.release()}, Python {platform.python_version()}",
            "sessions": sessions,
            "devices": sessions,
            "accounts": sessions // DEVICES_PER_ACCOUNT,
            "store_bytes": weights.full - weights.empty,
            "store_bytes_a_session": round((weights.full - weights.empty) / sessions, 1),
            "bytes_of_a_key": {kind: round(size, 1) for kind, size in weights.by_kind.items()},
            "bytes_of_a_renewed_session": round(asyncio.run(weigh_renewed(chosen.store_url)), 1),
            "check_known_cpu_us": round(known.cpu_microseconds, 2),
            **renewals,
            "worker_bytes_a_live_revocation": round((_resident(served) - before) / _REVOCATIONS, 1),
        }


def _renewals(served: Served, due: Path, seconds: float) -> dict[str, float]:
    """Checks of leases that have run out: the worker asks the store, seals a lease and mints a passport each time."""
    script = ("-s", str(_HERE / "many_cookies.lua"), "--", str(due))
    store_before = cpu_seconds(served.store_pid)
    sample = measure(served.pids, f"{served.origin}/verify", NAVIGATION, seconds, script)
    store_spent = cpu_seconds(served.store_pid) - store_before
    return {
        "renewals_a_second": round(sample.requests_per_second),
        "renewal_worker_cpu_us": round(sample.cpu_microseconds, 1),
        "renewal_store_cpu_us": round(store_spent / (sample.requests_per_second * max(1, round(seconds))) * 1e6, 1),
    }


def _resident(served: Served) -> int:
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in served.pids)
    return pages * os.sysconf("SC_PAGE_SIZE")


def _wait_applied(served: Served) -> None:
    """Ask until the worker has heard every entry: its lag histogram counts them."""
    for _try in range(600):
        with urllib.request.urlopen(f"{served.origin}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if (
                    line.startswith("latchstring_revocation_lag_seconds_count")
                    and float(line.split()[1]) >= _REVOCATIONS
                ):
                    return
    raise BenchError("the worker has not heard every revocation")


if __name__ == "__main__":
    sys.exit(main())
