"""P7: whatever is wrong with the store, nobody is signed out: each kind of fault, on workers of both outage rules.

Times are scaled: good leases stand for 1.5 s here instead of a minute.
"""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from harness.cluster_of_workers import Cluster, Flood, SignedIn, WorkerProcess, cluster_of_workers
from harness.evidence import Evidence, pick
from harness.store_faults import FAULTS, hanging
from harness.waiting import wait_until_async

pytestmark = pytest.mark.store

_FENCE_SECONDS = 0.4
_GOOD_SECONDS = 1.5
#: The last contact may be a heartbeat before the fault, and on a busy machine a few.
_EARLIER = 0.5
#: A receipt adds a tenth for clocks of unequal rates; and a check may begin before it is judged.
_LATER = 0.3
_RECOVERED_SECONDS = 5.0


@dataclass(frozen=True)
class Site:
    """Two workers on one store, a visitor of each with a good lease, and one whose lease was over before."""

    cluster: Cluster
    bridging: WorkerProcess
    closed: WorkerProcess
    visitor: SignedIn
    late: SignedIn

    def flood(self, worker: WorkerProcess, who: SignedIn, *, connections: int = 2) -> Flood:
        """Checks of that visitor at that worker."""
        one = dataclasses.replace(self.cluster, workers=[worker])
        return Flood(one, who, connections=connections, pause_seconds=0.01)

    async def is_followed(self) -> bool:
        """Whether both workers have had a whole heartbeat since the fault before: the stated time counts from there.

        A store that is back answers checks at once, a little before the workers trust what they know again. Told once
        a second.
        """
        scraped = (await self.cluster.call(self.bridging, "GET", "/metrics")).text
        return "latchstring_fence_holds 1.0" in scraped

    async def backend_answers(self) -> list[httpx.Response]:
        """What the website's backend and an owner at the devices page are told."""
        account = f"/v1/accounts/{self.visitor.account}"
        sign_in = {"account": "cleo", "authenticated_at_ms": time.time_ns() // 1_000_000}
        page = {"cookie": self.visitor.cookie, "sec-fetch-site": "same-origin", "origin": "https://localhost:8443"}
        calls: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/v1/sessions", {"json": sign_in}),
            ("GET", f"{account}/devices", {}),
            ("PATCH", f"{account}/devices/{self.visitor.device}", {"json": {"name": "TV"}}),
            ("DELETE", f"{account}/devices/{self.visitor.device}", {}),
            # A replica left behind may not know a device that there is.
            ("DELETE", f"{account}/devices/{self.late.device}", {}),
            ("POST", f"{account}/revoke", {}),
            ("GET", "/latch/devices", {"headers": page}),
            ("POST", "/latch/sign-out", {"headers": page}),
        ]
        return [await self.cluster.call(self.bridging, method, url, **more) for method, url, more in calls]

    async def is_ready(self, worker: WorkerProcess) -> tuple[int, list[str]]:
        """What the worker says of itself."""
        answer = await self.cluster.call(worker, "GET", "/health/ready")
        return answer.status_code, answer.json()["wrong"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    """One for all faults: each must leave it as well as before."""
    async with cluster_of_workers(
        1,
        fence_seconds=str(_FENCE_SECONDS),
        heartbeat_seconds="0.1",
        last_known_good_seconds=str(_GOOD_SECONDS),
    ) as cluster:
        cluster.env["LATCHSTRING_OUTAGE_RULE"] = "closed"
        closed = cluster.start_worker()
        await cluster.wait_following(closed)
        await cluster.wait_registered(2)
        visitor, late = await cluster.sign_in("ada"), await cluster.sign_in("bob")
        yield Site(cluster, cluster.workers[0], closed, visitor, cluster.aged(late, seconds=400))


def _is_patient(answer: httpx.Response) -> bool:
    # Reading is answered by a store that can only read.
    if answer.status_code == 200 and answer.request.method == "GET":
        return True
    waits = answer.status_code == 503 and int(answer.headers.get("retry-after", 0)) > 0
    return waits and "set-cookie" not in answer.headers


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_of_the_store_signs_nobody_out(fault: str, site: Site, evidence: Evidence) -> None:
    """200 for the stated time for who was good at the last contact, then 503; by the rule closed 503 after the fence;
    never 401, 500 or a cleared cookie; not ready meanwhile; and well again by itself.
    """
    dealt = FAULTS[fault](site.cluster.valkey)
    async with (
        site.flood(site.bridging, site.visitor) as bridged,
        site.flood(site.closed, site.visitor) as closed,
        site.flood(site.bridging, site.late) as late,
    ):
        floods = (bridged, closed, late)
        for flood in floods:
            await wait_until_async(lambda f=flood: f.accepted, "everybody to be let in")
        await wait_until_async(site.is_followed, "both workers to follow the store")
        before = time.monotonic()
        await asyncio.to_thread(dealt.__enter__)
        began = time.monotonic()
        try:
            give_up = began + _GOOD_SECONDS + 1
            await wait_until_async(lambda: bridged.unknown > 10 or time.monotonic() > give_up, "the stated time to end")
            told = await site.backend_answers()
            readiness = [await site.is_ready(worker) for worker in (site.bridging, site.closed)]
        finally:
            ending = time.monotonic()
            await asyncio.to_thread(dealt.__exit__, None, None, None)
        ended = time.monotonic()
        for flood in floods:
            await wait_until_async(lambda f=flood: f.accepted_after(ended), "everybody to be let in again")
        recovered = max(flood.accepted_after(ended)[0][0] for flood in floods) - ended

    too_early = [at for at, _ in bridged.waiting if before < at < before + _GOOD_SECONDS - _EARLIER]
    too_late = [at for at, _ in bridged.accepted if began + _GOOD_SECONDS + _LATER < at < ending]
    unfenced = [at for at, _ in closed.accepted if began + _FENCE_SECONDS + _LATER < at < ending]
    bridged_unknown = [at for at, _ in late.accepted if began + _LATER < at < ending]
    wrong = {
        "signed out, cleared or broken": sum(flood.violations for flood in floods),
        "503 within the stated time": len(too_early),
        "200 after the stated time": len(too_late),
        "200 by the rule closed": len(unfenced),
        "200 for a lease that was over": len(bridged_unknown),
        "backend not told to come back": len([answer for answer in told if not _is_patient(answer)]),
        "ready": len([said for said in readiness if said != (503, ["store"])]),
        "slow to recover": int(recovered > _RECOVERED_SECONDS),
    }
    print([(answer.request.method, answer.url.path, answer.status_code) for answer in told if not _is_patient(answer)])
    print(fault, {what: count for what, count in wrong.items() if count}, f"recovered in {recovered:.2f} s")
    evidence.row(
        promise="P7",
        tried="checks during twelve kinds of store faults, by both outage rules",
        trials=sum(len(flood.accepted) + flood.unknown + flood.violations for flood in floods),
        violations=sum(wrong.values()),
    )


@pytest.mark.asyncio(loop_scope="module")
async def test_a_crowd_that_takes_every_connection_signs_nobody_out(site: Site, evidence: Evidence) -> None:
    """The store hangs and hundreds of ended leases ask for it at once: each is told to come back, in time, and a good
    lease is still let in after them.
    """
    connections = pick(short=200, long=600)
    async with site.flood(site.bridging, site.visitor) as good:
        await wait_until_async(lambda: good.accepted, "the visitor to be let in")
        with hanging(site.cluster.valkey):
            async with site.flood(site.bridging, site.late, connections=connections) as crowd:
                await wait_until_async(lambda: crowd.unknown >= connections, "each to be told to come back")
        back = time.monotonic()
        await wait_until_async(lambda: good.accepted_after(back), "the visitor to be let in again")

    print(f"{crowd.unknown} told to come back, the slowest after {crowd.slowest:.2f} s")
    evidence.row(
        promise="P7",
        tried="checks of ended leases that exhaust the connections to a hanging store",
        trials=connections,
        violations=crowd.violations + len(crowd.accepted) + good.violations + int(crowd.slowest > 6),
    )
