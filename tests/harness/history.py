"""A history of checks and receipts while faults happen, and whether every receipt in it is true.

Checks of many devices run all the time on every worker; one device after the other is removed, asked again with its key
as long as the answer is "not confirmed". Afterwards: nobody accepted a device that had a complete receipt when the
check began, nor one with a partial receipt whose time had come.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx

from .cluster_of_workers import SignedIn, WorkerProcess, Workers
from .loopback import loopback
from .waiting import wait_until_async

#: A check, a removal or a sign-in that takes longer is given up.
_PATIENCE_SECONDS = 10.0


@dataclass
class Device:
    """One device, and from when on (wall clock, seconds) a receipt said that nobody accepts it."""

    who: SignedIn
    certain_at: float = float("inf")
    #: When checks of it began that were accepted, and by whom.
    accepted: list[tuple[float, int]] = field(default_factory=list)

    def violations(self) -> list[str]:
        """Acceptances that a receipt had ruled out."""
        return [
            f"{self.who.account}: accepted by worker {worker}, {began - self.certain_at:.3f} s after its receipt"
            for began, worker in self.accepted
            if began > self.certain_at
        ]


class History:
    """What was seen; `record` runs until the act is over. Every number in it comes from the seed."""

    def __init__(self, workers: Workers, seed: int) -> None:
        self._workers = workers
        self._choice = random.Random(seed)
        #: The ones that stay signed in, to be checked again at the end.
        self.stays: Device | None = None
        self.removed: list[Device] = []
        self.complete = 0
        self.partial = 0
        self.unconfirmed = 0
        self.checks = 0
        #: 401 for the device that stays, a cleared cookie, a 5xx that is no 503.
        self.wrong: list[str] = []
        #: Set when a test empties the store: then nobody is left who could stay.
        self.store_was_emptied = False
        self._watched: list[Device] = []

    async def record(self, act: Callable[[], Awaitable[None]]) -> None:
        """Remove and check while `act` does its worst, and a little longer."""
        self.stays = Device(await self._workers.sign_in("stays"))
        self._watched = [self.stays]
        removing = asyncio.create_task(self._remove_for_ever())
        checking = [
            asyncio.create_task(self._check_for_ever(number, worker))
            for number, worker in enumerate(self._workers.workers)
        ]
        try:
            await act()
            await asyncio.sleep(2)
        finally:
            for task in (removing, *checking):
                task.cancel()
            ended = await asyncio.gather(removing, *checking, return_exceptions=True)
        failed = [one for one in ended if isinstance(one, Exception)]
        assert failed == [], failed

    async def goes_on(self) -> None:
        """Return when a removal that began now has had its receipt, and every worker has let somebody in since."""
        since, removed = time.time(), len(self.removed)

        def is_well() -> bool:
            receipts = [one.certain_at < float("inf") for one in self.removed[removed:]]
            by = {worker for one in self._watched for began, worker in one.accepted if began > since}
            return any(receipts) and len(by) == len(self._workers.workers)

        await wait_until_async(is_well, "receipts and acceptances to go on")

    def told(self) -> str:
        """What happened, in a line, and every violation in one of its own."""
        counted = (
            f"{self.checks} checks, {len(self.removed)} removals: {self.complete} complete, {self.partial} partial, "
            f"{self.unconfirmed} times not confirmed"
        )
        return "\n".join([counted, *self.violations()])

    def violations(self) -> list[str]:
        """Every receipt that was not true, and everybody who was signed out by trouble."""
        return [line for device in self.removed for line in device.violations()] + self.wrong

    async def _remove_for_ever(self) -> None:
        number = 0
        while True:
            number += 1
            try:
                device = Device(await self._workers.sign_in(f"account-{number}", self._any_worker()))
            except (httpx.HTTPError, OSError):
                await asyncio.sleep(0.1)
                continue
            self.removed.append(device)
            self._watched = [self._watched[0], *self._watched[1:][-7:], device]
            await asyncio.sleep(0.1)
            await self._remove(device)

    async def _remove(self, device: Device) -> None:
        who = device.who
        path = f"/v1/accounts/{who.account}/devices/{who.device}"
        while True:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    answer = await self._workers.call(
                        self._any_worker(), "DELETE", path, headers={"idempotency-key": who.device}
                    )
            except (httpx.HTTPError, OSError, TimeoutError):
                self.unconfirmed += 1
                await asyncio.sleep(0.05)
                continue
            received = time.time()
            if answer.status_code == 200:
                self.complete += 1
                device.certain_at = received
                return
            if answer.status_code == 202:
                self.partial += 1
                device.certain_at = answer.json()["certain_at_ms"] / 1000
                return
            if answer.status_code != 503:
                # A store that lost the device with the removal: nothing was promised.
                if answer.status_code != 404 and not self.store_was_emptied:
                    self.wrong.append(f"removal answered {answer.status_code} {answer.text[:200]}")
                return
            self.unconfirmed += 1
            await asyncio.sleep(0.05)

    async def _check_for_ever(self, number: int, worker: WorkerProcess) -> None:
        headers = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        while True:
            try:
                async with loopback(base_url=worker.url, timeout=_PATIENCE_SECONDS) as client:
                    while True:
                        device = self._choice.choice(self._watched)
                        began = time.time()
                        answer = await client.get("/verify", headers={"cookie": device.who.cookie, **headers})
                        self.checks += 1
                        self._note(device, began, number, answer)
            except (httpx.HTTPError, OSError):
                await asyncio.sleep(0.02)

    def _note(self, device: Device, began: float, number: int, answer: httpx.Response) -> None:
        if answer.status_code == 200:
            device.accepted.append((began, number))
        elif answer.status_code not in (303, 401, 503):
            self.wrong.append(f"worker {number} answered {answer.status_code}")
        elif device is self.stays and answer.status_code != 503 and not self.store_was_emptied:
            self.wrong.append(f"worker {number} signed out a device that stays: {answer.headers}")
        elif answer.status_code == 503 and "max-age=0" in answer.headers.get("set-cookie", "").lower():
            self.wrong.append(f"worker {number} cleared a cookie with a 503")

    def _any_worker(self) -> WorkerProcess:
        return self._choice.choice(self._workers.workers)
