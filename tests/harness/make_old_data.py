"""Makes what tests/data/ keeps of a release: a small data directory, and its store as JSON.

Run by the code of that release, in a worktree of its commit, with this file copied into its tests/harness:

    PYTHONPATH=tests:import python -m harness.make_old_data /tmp/made

The store is written down key by key, with what was left of each key's life: Valkey's own files are Valkey's format.
"""

import asyncio
import json
import shutil
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from harness.hits import NOW_MS, TRUSTED, batch, pixel, snowplow, write_segment
from harness.valkey import Valkey
from harness.worker_app import Jar, running_worker, settings_for
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.housekeeping.house import House
from latchstring_gateway.shipping.run import Shipper
from latchstring_gateway.store.client import Store

_DAY_MS = 86_400_000


async def _fill_store(data_dir: Path, url: str) -> dict[str, Any]:
    """Three accounts: one signed in twice, one whose device was removed, one disabled. Gives their cookies."""
    async with running_worker(settings_for(url, data_dir)) as worker:
        tv, ada, bob, eve = Jar(), await worker.signed_in("ada"), await worker.signed_in("bob"), Jar()
        await worker.sign_in("ada", jar=tv)
        await worker.sign_in("eve", jar=eve)
        devices = (await worker.api("GET", "/v1/accounts/bob/devices")).json()["devices"]
        removed = await worker.api("DELETE", f"/v1/accounts/bob/devices/{devices[0]['id']}")
        disabled = await worker.api("POST", "/v1/accounts/eve/disable")
        assert (removed.status_code, disabled.status_code) == (200, 200), (removed.text, disabled.text)
        return {
            "service_key": worker.service_key,
            "cookies": {"ada": ada, "ada's other": tv, "bob": bob, "eve": eve},
            "revocation": removed.json()["id"],
        }


async def _dump(url: str) -> list[dict[str, Any]]:
    store = Store(url)
    redis, found = store.redis, list[dict[str, Any]]()
    async for raw in redis.scan_iter(count=1000):
        key = str(raw)
        kind = str(await redis.type(key))
        readers: dict[str, Any] = {
            "hash": redis.hgetall,
            "string": redis.get,
            "set": lambda key: redis.sort(key, alpha=True),
            "stream": redis.xrange,
            "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        }
        found.append({"key": key, "type": kind, "pttl": await redis.pttl(key), "value": await readers[kind](key)})
    await store.close()
    return sorted(found, key=lambda one: str(one["key"]))


def _fill_warehouse(data_dir: Path) -> None:
    """A day that was shipped and compacted, another that was shipped, and a segment that waits."""
    clock = ManualClock()
    write_segment(data_dir, [pixel(b"p=/watch/%d" % n, at_ms=NOW_MS + n) for n in range(20)] + [pixel(b"p=bad")])
    write_segment(data_dir, [batch(b'[{"page":"/b"},7]'), snowplow()])
    with Shipper(data_dir, clock, TRUSTED) as shipper:
        shipper.ship_once()
        clock.advance(2 * 86_400)
        with House(data_dir, clock) as house:
            while house.tidy():
                pass
        write_segment(data_dir, [pixel(b"p=/later", at_ms=NOW_MS + 2 * _DAY_MS)])
        shipper.ship_once()
    write_segment(data_dir, [pixel(b"p=/waiting", at_ms=NOW_MS + 2 * _DAY_MS), pixel(b"p=bad")])


def main(to: Path) -> None:
    """Write `data.tar.gz` and `store.json` into `to`."""
    data_dir = Path(tempfile.mkdtemp(prefix="latch-"))
    server = Valkey(Path(tempfile.mkdtemp(prefix="latch-")))
    try:
        said = asyncio.run(_fill_store(data_dir, server.url))
        keys = asyncio.run(_dump(server.url))
        with server.client() as client:
            seconds, _ = client.time()
        _fill_warehouse(data_dir)
        to.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in keys)
        (to / "store.json").write_text(
            f'{{"at_ms": {seconds * 1000},\n"said": {json.dumps(said)},\n"keys": [\n{lines}\n]}}\n'
        )
        with tarfile.open(to / "data.tar.gz", "w:gz") as made:
            made.add(data_dir, ".")
    finally:
        server.close()
        shutil.rmtree(data_dir)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
