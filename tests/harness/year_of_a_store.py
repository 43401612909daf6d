"""Years of a store in simulated time: `python -m harness.year_of_a_store STAMP STEPS DAYS LEAKS`.

Its Valkey runs under libfaketime (Debian package `faketime`), which reads from the file STAMP how far off the time is,
so that scripts that ask for TIME and lives of keys go on together. The worker in this process has its wall clock set by
as much: CPython's own sleep does not bear the library (EINVAL). Timers do not jump.
Each step of so many days: visitors sign in, come back, sign out; devices are removed, an account is erased, the worker
is started anew, and every tenth time the store. Prints what the store holds after each, as JSON lines.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from harness.valkey import Valkey
from harness.worker_app import Jar, Worker, running_worker, settings_for
from latchstring_gateway.ids import to_text
from latchstring_gateway.supervise.launch import launched

LIBRARY: Final = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
_REAL_NS: Final = time.time_ns
#: So many accounts, all of which are there from the first steps on.
_ACCOUNTS = 12
_SIGN_INS = 12


class LaterValkey(Valkey):
    """A server in another time."""

    def __init__(self, data_dir: Path, stamp: Path) -> None:
        self._env = [
            f"LD_PRELOAD={LIBRARY}",
            f"FAKETIME_TIMESTAMP_FILE={stamp}",
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ]
        super().__init__(data_dir)

    def _start(self) -> subprocess.Popen[bytes]:
        process = self.store.start(lambda command: launched(["env", *self._env, *command]))
        self.store.wait_ready(process)
        return process


def _set_clocks(stamp: Path, days: int) -> None:
    stamp.write_text(f"+{days}d")
    time.time_ns = lambda: _REAL_NS() + days * 86_400 * 10**9


async def _step(worker: Worker, step: int, former: list[Jar]) -> list[Jar]:
    """What happens in so many days; gives the browsers that are signed in."""
    jars = []
    for number in range(_SIGN_INS):
        jar = Jar()
        answer = await worker.sign_in(f"a{(step * 5 + number) % _ACCOUNTS}", jar=jar)
        assert answer.status_code == 201, answer.text
        jars.append(jar)
    for jar in former:
        # Some are good, some over: both must leave nothing behind.
        await worker.navigate(jar)
    for jar in jars[:3]:
        lease = worker.lease(jar)
        await worker.api("DELETE", f"/v1/accounts/{lease.account}/sessions/{to_text(lease.session)}")
    for number in (0, 1):
        account = f"a{(step + number) % _ACCOUNTS}"
        devices = (await worker.api("GET", f"/v1/accounts/{account}/devices")).json()["devices"]
        if devices:
            await worker.api("DELETE", f"/v1/accounts/{account}/devices/{devices[0]['id']}")
    await worker.api("POST", "/v1/erasures", {"account": f"a{step % _ACCOUNTS}", "users": [f"u{step}"]})
    return jars


async def _measure(worker: Worker) -> dict[str, Any]:
    """What the store holds, once keys that are over are gone: a look at each makes sure of it."""
    redis = worker.store.redis
    async for key in redis.scan_iter(count=1_000):
        await redis.pttl(key)
    memory = await redis.info("memory")
    return {"keys": await redis.dbsize(), "bytes": int(memory["used_memory_dataset"])}


async def _live(stamp: Path, steps: int, days: int, *, leaks: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="latch-"))
    _set_clocks(stamp, 0)
    (folder / "store").mkdir()
    server = LaterValkey(folder / "store", stamp)
    former: list[Jar] = []
    try:
        for step in range(steps):
            # A worker lives as long as a step: it, too, is started anew.
            async with running_worker(settings_for(server.url, folder / "node")) as worker:
                former = await _step(worker, step, former)
                if leaks:
                    await worker.store.redis.mset({f"left:{step}:{number}": "x" * 100 for number in range(60)})
            _set_clocks(stamp, (step + 1) * days)
            if step % 10 == 9:
                server.restart()
            async with running_worker(settings_for(server.url, folder / "node")) as worker:
                print(json.dumps(await _measure(worker)), flush=True)
    finally:
        server.stop()


def main() -> None:
    """See the module."""
    stamp, steps, days, leaks = sys.argv[1:]
    asyncio.run(_live(Path(stamp), int(steps), int(days), leaks=leaks == "1"))


if __name__ == "__main__":
    main()
