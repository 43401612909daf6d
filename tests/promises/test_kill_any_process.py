"""`kill -9` of any one process under load: no acknowledged hit and no session is lost, and all is whole again."""

import asyncio
import time
import uuid
from pathlib import Path

import httpx
import pytest

from harness.evidence import Evidence, pick
from harness.loopback import loopback
from harness.service import Service, running_service
from harness.waiting import wait_until, wait_until_async
from latchstring_gateway.reports.ledger import ledger

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=600))]

_VICTIMS = ("worker-1", "store", "shipper", "deliverer", "supervisor", "worker-2") * pick(short=1, long=4)
#: Whole again: the issue's limit. Processes of a busy two-core machine start in about two.
_WHOLE_AGAIN_SECONDS = 60.0


class Load:
    """Visitors who check and send beacons until they are stopped; each hit is sent again until it is answered."""

    def __init__(self, service: Service, cookies: list[str]) -> None:
        self._url = service.url
        self._cookies = cookies
        self._stop = asyncio.Event()
        self.acknowledged = 0
        self.checks = 0
        self.surprises: list[str] = []

    async def run(self) -> None:
        """Six visitors in parallel, bounded by `stop`."""
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(self._send_hits())
                group.create_task(self._check(self._cookies[number]))

    def stop(self) -> None:
        """Let everybody finish what they have begun."""
        self._stop.set()

    async def _send_hits(self) -> None:
        async with loopback(base_url=self._url, timeout=60) as client:
            while not self._stop.is_set():
                hit = uuid.uuid4().hex
                while not await self._acknowledges(client, hit):
                    await asyncio.sleep(0.05)
                self.acknowledged += 1

    async def _acknowledges(self, client: httpx.AsyncClient, hit: str) -> bool:
        try:
            answer = await client.get("/b.gif?p=/load&e=view", headers={"x-latch-hit": hit})
        except httpx.TransportError:
            return False
        if answer.status_code not in (200, 503):
            self.surprises.append(f"hit: {answer.status_code}")
        return answer.status_code == 200

    async def _check(self, cookie: str) -> None:
        navigation = {"cookie": cookie, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        async with loopback(base_url=self._url, timeout=60) as client:
            while not self._stop.is_set():
                try:
                    answer = await client.get("/verify", headers=navigation)
                except httpx.TransportError:
                    continue
                self.checks += 1
                # A service that has not met its store since it was started cannot know, and says so.
                if answer.status_code not in (200, 503):
                    self.surprises.append(f"check: {answer.status_code} {answer.text}")
                if "max-age=0" in answer.headers.get("set-cookie", "").lower():
                    self.surprises.append("check: a cookie was cleared")
                await asyncio.sleep(0.005)


def _sign_in(service: Service, credential: dict[str, str], account: str) -> tuple[str, str]:
    body = {"account": account, "remember": True, "authenticated_at_ms": time.time_ns() // 1_000_000}
    answer = httpx.post(f"{service.url}/v1/sessions", json=body, headers=credential, timeout=60)
    started = answer.raise_for_status().json()
    return "; ".join(line.partition(";")[0] for line in started["set_cookie"]), started["device"]["id"]


async def test_kill_9_of_any_process_loses_no_acknowledged_hit_and_no_session(
    tmp_path: Path, evidence: Evidence
) -> None:
    """Each process is killed once under load; hits are counted exactly once, sessions live, removals stay in force."""
    with running_service(tmp_path / "data") as service:
        credential = {"authorization": f"Bearer {service.command('service-keys', 'add', 'test')}"}
        cookies = [_sign_in(service, credential, f"visitor-{number}")[0] for number in range(3)]
        removed_cookie, removed_device = _sign_in(service, credential, "visitor-0")
        device_url = f"{service.url}/v1/accounts/visitor-0/devices/{removed_device}"
        receipt = httpx.delete(device_url, headers=credential, timeout=60).json()
        load = Load(service, cookies)
        running = asyncio.create_task(load.run())
        whole_again: dict[str, float] = {}

        for kills, victim in enumerate(_VICTIMS):
            evidence.progress(kills, len(_VICTIMS))
            before = load.acknowledged
            await wait_until_async(lambda: load.acknowledged > before + 50, "some hits between two blows")  # noqa: B023
            former = service.supervisor() if victim == "supervisor" else service.pid_of(victim)
            started = time.monotonic()
            await asyncio.to_thread(service.kill9, victim)
            await asyncio.to_thread(_wait_whole, service, victim, former, cookies)
            whole_again[victim] = max(whole_again.get(victim, 0), round(time.monotonic() - started, 2))
        load.stop()
        await running

        print("whole again after (s):", whole_again, "checks:", load.checks, "hits:", load.acknowledged)
        assert load.surprises == []
        assert receipt["status"] == "complete"
        assert [_status(service, cookie) for cookie in cookies] == [200, 200, 200]
        assert _status(service, removed_cookie) == 401
        await wait_until_async(lambda: ledger(service.data_dir).total.pending == 0, "every hit to be shipped")
        found = ledger(service.data_dir)
        assert found.problems == []
        evidence.row(
            promise="P3",
            tried="any process of a whole service killed under load: acknowledged hits lost or doubled",
            trials=load.acknowledged,
            violations=abs(found.total.good - load.acknowledged),
        )
        assert found.total.bad == 0
        assert max(whole_again.values()) < _WHOLE_AGAIN_SECONDS


def _wait_whole(service: Service, victim: str, former: int | None, cookies: list[str]) -> None:
    def is_back() -> bool:
        now = service.supervisor() if victim == "supervisor" else service.pid_of(victim)
        return now is not None and now != former

    def is_whole() -> bool:
        try:
            return is_back() and service.is_ready() and all(_status(service, cookie) == 200 for cookie in cookies)
        except (httpx.TransportError, StopIteration):
            return False

    wait_until(is_whole, f"the service to be whole after {victim} was killed")


def _status(service: Service, cookie: str) -> int:
    return httpx.get(f"{service.url}/verify", headers={"cookie": cookie}, timeout=5).status_code
