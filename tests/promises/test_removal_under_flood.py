"""P2: after a complete receipt no worker accepts the removed device, under a flood and with a worker frozen."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.loopback import loopback
from harness.service import Service, running_service
from harness.waiting import wait_until_async

pytestmark = pytest.mark.store

_REMOVALS = 50
#: In which removals a worker hangs.
_FROZEN = frozenset({7, 27, 47})
_CONNECTIONS = 8
#: How long the flood goes on after the receipt.
_AFTERWARDS_SECONDS = 0.05


@dataclass
class Flood:
    """Checks of one cookie on several connections at once, each noted with the moment it began to be sent."""

    url: str
    cookie: str
    accepted_at: list[float] = field(default_factory=list)
    refused: int = 0
    surprises: list[int] = field(default_factory=list)
    _stop: bool = False

    def start(self) -> list[asyncio.Task[None]]:
        """Begin; as many connections as it takes to meet every worker."""
        return [asyncio.create_task(self._check()) for _ in range(_CONNECTIONS)]

    def stop(self) -> None:
        """Let each finish what it has sent."""
        self._stop = True

    async def _check(self) -> None:
        async with loopback(base_url=self.url, timeout=0.5, headers={"cookie": self.cookie}) as client:
            while not self._stop:
                began = time.time()
                try:
                    status = (await client.get("/verify")).status_code
                except httpx.TransportError:
                    continue  # on a connection of the frozen worker
                if status == 200:
                    self.accepted_at.append(began)
                elif status == 401:
                    self.refused += 1
                else:
                    self.surprises.append(status)


async def test_no_check_after_a_complete_receipt_is_accepted(tmp_path: Path) -> None:
    """50 removals on two workers; a partial receipt says who is missing and until when, and is true."""
    with running_service(tmp_path / "data", last_known_good_seconds="1.5") as service:
        credential = {"authorization": f"Bearer {service.command('service-keys', 'add', 'test')}"}
        statuses, latencies = [], []
        for number in range(_REMOVALS):
            cookie, device = await _sign_in(service, credential, f"account-{number % 5}")
            flood = Flood(service.url, cookie)
            tasks = flood.start()
            await wait_until_async(lambda: len(flood.accepted_at) >= 2 * _CONNECTIONS, "the flood to pass")  # noqa: B023
            victim = service.pid_of("worker-1") if number in _FROZEN else None
            if victim is not None:
                os.kill(victim, signal.SIGSTOP)
            try:
                receipt = await _remove(service, credential, f"account-{number % 5}", device)
            finally:
                if victim is not None:
                    os.kill(victim, signal.SIGCONT)
            certain_from = time.time()
            if receipt["status"] == "partial":
                assert len(receipt["missing"]) == 1
                assert f".{victim}." in receipt["missing"][0]["worker"]
                certain_from = receipt["certain_at_ms"] / 1000
                await _becomes_complete(service, credential, receipt["id"])
            else:
                latencies.append(receipt["elapsed_ms"])
            await asyncio.sleep(_AFTERWARDS_SECONDS)
            flood.stop()
            await asyncio.gather(*tasks)
            statuses.append(receipt["status"])
            assert [began for began in flood.accepted_at if began > certain_from] == []
            assert flood.refused > 0
            assert flood.surprises == []

        print("receipts (ms): median", sorted(latencies)[len(latencies) // 2], "worst", max(latencies))
        assert [n for n, status in enumerate(statuses) if status == "partial"] == sorted(_FROZEN)


async def _sign_in(service: Service, credential: dict[str, str], account: str) -> tuple[str, str]:
    body = {"account": account, "remember": True, "authenticated_at_ms": time.time_ns() // 1_000_000}
    async with loopback(timeout=60) as client:
        answer = await client.post(f"{service.url}/v1/sessions", json=body, headers=credential)
    started = answer.raise_for_status().json()
    return "; ".join(line.partition(";")[0] for line in started["set_cookie"]), started["device"]["id"]


async def _remove(service: Service, credential: dict[str, str], account: str, device: str) -> dict[str, Any]:
    # A connection of its own: the frozen worker accepts none, so another one takes it.
    async with loopback(timeout=60) as client:
        answer = await client.delete(f"{service.url}/v1/accounts/{account}/devices/{device}", headers=credential)
    assert answer.status_code in (200, 202)
    found: dict[str, Any] = answer.json()
    return found


async def _becomes_complete(service: Service, credential: dict[str, str], revocation: str) -> None:
    async def is_complete() -> bool:
        async with loopback(timeout=60) as client:
            answer = await client.get(f"{service.url}/v1/revocations/{revocation}", headers=credential)
        return bool(answer.json()["status"] == "complete")

    await wait_until_async(is_complete, "the partial receipt to become complete")
