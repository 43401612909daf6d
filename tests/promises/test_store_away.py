"""P7: a store that hangs for half a minute signs nobody out and clears no cookie, and all recovers by itself."""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from harness.evidence import Evidence, pick
from harness.loopback import loopback
from harness.service import running_service
from harness.waiting import wait_until_async

pytestmark = pytest.mark.store

_AWAY_SECONDS = pick(short=6, long=30)
_LAST_KNOWN_GOOD = {"last_known_good_seconds": str(2 * _AWAY_SECONDS)}
_VISITORS = 8
#: No check waits longer for a hanging store than its time limit, and the heartbeat before it.
_LONGEST_ANSWER_SECONDS = 5.0


async def test_half_a_minute_without_the_store_signs_nobody_out(tmp_path: Path, evidence: Evidence) -> None:
    """Good leases, leases that end in the outage and beacons: 200 all the way; sign-ins: 503, to be repeated."""
    # Leases that end in the outage, whatever its length: those are good at the last contact, and so stand.
    with running_service(tmp_path / "data", lease_seconds=str(2 * _AWAY_SECONDS), **_LAST_KNOWN_GOOD) as service:
        credential = {"authorization": f"Bearer {service.command('service-keys', 'add', 'test')}"}
        statuses: Counter[str] = Counter()
        slowest = 0.0
        running = True

        async def visit(number: int) -> None:
            nonlocal slowest
            navigation = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "cookie": cookies[number]}
            async with loopback(base_url=service.url, timeout=60) as client:
                while running:
                    began = time.monotonic()
                    answer = await client.get("/verify", headers=navigation)
                    slowest = max(slowest, time.monotonic() - began)
                    statuses[f"check {answer.status_code}"] += 1
                    if "max-age=0" in answer.headers.get("set-cookie", "").lower():
                        statuses["cookie cleared"] += 1
                    if fresh := answer.headers.get("set-cookie", "").partition(";")[0]:
                        navigation["cookie"] = "; ".join([fresh, *navigation["cookie"].split("; ")[1:]])
                    statuses[f"hit {(await client.get('/b.gif?p=/x')).status_code}"] += 1
                    await asyncio.sleep(0.02)

        async with loopback(base_url=service.url, timeout=60, headers=credential) as backend:

            async def sign_in(account: str) -> httpx.Response:
                body = {"account": account, "remember": True, "authenticated_at_ms": time.time_ns() // 1_000_000}
                return await backend.post("/v1/sessions", json=body)

            started = [(await sign_in(f"visitor-{number}")).json() for number in range(_VISITORS)]
            cookies = ["; ".join(line.partition(";")[0] for line in one["set_cookie"]) for one in started]
            tasks = [asyncio.create_task(visit(number)) for number in range(_VISITORS)]
            # Some leases are past two thirds of their life when the store goes, and so in the middle of renewing.
            await asyncio.sleep(2)
            store = service.pid_of("store")
            assert store is not None
            os.kill(store, signal.SIGSTOP)
            try:
                await asyncio.sleep(_AWAY_SECONDS / 2)
                meanwhile = await sign_in("late")
                await asyncio.sleep(_AWAY_SECONDS / 2)
            finally:
                os.kill(store, signal.SIGCONT)
            back = time.monotonic()

            async def signs_in_again() -> bool:
                return (await sign_in("late")).status_code == 201

            await wait_until_async(signs_in_again, "sign-ins to work again")
            recovered_seconds = time.monotonic() - back
            await asyncio.sleep(1)
        running = False
        await asyncio.gather(*tasks)

        print(dict(statuses), f"slowest {slowest:.2f} s, recovered in {recovered_seconds:.2f} s")
        evidence.row(
            promise="P7",
            tried=f"checks and hits while the store hangs for {_AWAY_SECONDS} s",
            trials=statuses.total(),
            violations=statuses.total() - statuses["check 200"] - statuses["hit 200"],
        )
        assert statuses["check 200"] > 30 * _AWAY_SECONDS
        assert (meanwhile.status_code, meanwhile.json()["code"]) == (503, "store_away")
        assert "retry-after" in meanwhile.headers
        assert slowest < _LONGEST_ANSWER_SECONDS
        assert recovered_seconds < 60
