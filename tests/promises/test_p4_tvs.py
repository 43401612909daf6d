"""P4 for TVs: a network that loses answers, and workers that die between the store's answer and theirs, sign none out.

Real workers on a real store; time passes by ageing the rows of the TVs' sign-ins, so that their counters move on. Every
second TV has its tokens bound to a key.
"""

import asyncio
from random import Random
from typing import Any, Literal, TypeAlias

import httpx
import pytest
import redis

from harness.app_key import AppKey
from harness.cluster_of_workers import Cluster, WorkerProcess, cluster_of_workers
from harness.evidence import Evidence, pick
from harness.loopback import loopback
from harness.tv import CLIENT, DEVICE_GRANT
from harness.waiting import wait_until_async
from latchstring_gateway.ids import Account
from latchstring_gateway.store import keys

pytestmark = [pytest.mark.store, pytest.mark.timeout(pick(short=180, long=300))]

_SITE = "https://localhost:8443"
_TVS = pick(short=30, long=120)
_ROUNDS = pick(short=9, long=75)
#: A worker dies in each of these.
_EVERY_DEATH = 4
#: And until one died at the moment that is wanted, at most so many more.
_MORE_DEATHS = 10
#: Between two refreshes: soon, after the counter may move on, and much later.
_MINUTES = (5, 180, 43_200)


Heard: TypeAlias = Literal["yes", "no", "lost", "cut off"]


class Tv:
    """A TV whose network loses every `loses`-th answer, and what it has kept."""

    def __init__(self, number: int) -> None:
        self.account = f"owner-{number}"
        self.loses = 2 + number % 4
        self.key = AppKey() if number % 2 else None
        self.row = ""
        self.tokens: dict[str, Any] = {}
        self.refused: list[str] = []
        self._address = f"198.51.{number}.7"
        self._nonce: str | None = None
        self._answers = 0

    async def sign_in(self, cluster: Cluster, worker: WorkerProcess) -> None:
        """Show a code, have it approved by the owner, and fetch the tokens; the first answer with them is lost."""
        owner = await cluster.sign_in(self.account, worker)
        codes = (await self._post(worker, "device_authorization")).raise_for_status().json()
        headers = {"cookie": owner.cookie, "sec-fetch-site": "same-origin"}
        async with loopback(timeout=60) as client:
            connect = f"{worker.url}/latch/activate/connect"
            approved = await client.post(connect, data={"user_code": codes["user_code"]}, headers=headers)
        approved.raise_for_status()
        for _ in range(2):
            poll = {"grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
            self.tokens = (await self._exchange(worker, poll)).raise_for_status().json()
        session = (await self._verify(worker)).headers["x-latch-session"]
        self.row = keys.session(keys.partition_of(Account(self.account)), session)

    async def refresh(self, worker: WorkerProcess) -> Heard:
        """Exchange the refresh token; what is heard of it, which may be that nobody is there."""
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        try:
            answer = await self._exchange(worker, form)
        except httpx.TransportError:
            return "cut off"
        self._answers += 1
        if self._answers % self.loses == 0:
            return "lost"
        if answer.status_code == 200:
            self.tokens = answer.json()
            return "yes"
        if answer.status_code != 503:
            self.refused.append(answer.text)
        return "no"

    async def is_told(self, worker: WorkerProcess) -> bool:
        """Whether a refresh was answered by yes, or ever by no."""
        return await self.refresh(worker) == "yes" or bool(self.refused)

    async def watch(self, worker: WorkerProcess) -> bool:
        """Look at a page; whether it was let in."""
        answer = await self._verify(worker)
        if answer.status_code not in (200, 503):
            self.refused.append(answer.text)
        return answer.status_code == 200

    async def _verify(self, worker: WorkerProcess) -> httpx.Response:
        token = self.tokens["access_token"]
        headers = {"authorization": f"{self.tokens['token_type']} {token}"}
        if self.key is not None:
            headers["dpop"] = self.key.proof("GET", f"{_SITE}/verify", access_token=token)
        async with loopback(timeout=60) as client:
            return await client.get(f"{worker.url}/verify", headers=headers)

    async def _exchange(self, worker: WorkerProcess, form: dict[str, str]) -> httpx.Response:
        answer = await self._post(worker, "token", **form)
        if answer.status_code == 400 and answer.json()["error"] == "use_dpop_nonce":
            answer = await self._post(worker, "token", **form)
        return answer

    async def _post(self, worker: WorkerProcess, endpoint: str, **form: str) -> httpx.Response:
        headers = {"x-forwarded-for": self._address}
        if self.key is not None and endpoint == "token":
            headers["dpop"] = self.key.proof("POST", f"{_SITE}/latch/oauth/token", nonce=self._nonce)
        async with loopback(timeout=60) as client:
            url = f"{worker.url}/latch/oauth/{endpoint}"
            answer = await client.post(url, data={"client_id": CLIENT, **form}, headers=headers)
        self._nonce = answer.headers.get("dpop-nonce", self._nonce)
        return answer


def _age(store: redis.Redis, tvs: list[Tv], minutes: int) -> None:
    """Let everybody's last rotation lie further back."""
    with store.pipeline(transaction=False) as pipe:
        for tv in tvs:
            for field in ("n_issued_at_ms", "n_given_at_ms"):
                pipe.hincrby(tv.row, field, -minutes * 60_000)
        pipe.execute()


def _renewed(store: redis.Redis, tvs: list[Tv]) -> list[bytes | None]:
    with store.pipeline(transaction=False) as pipe:
        for tv in tvs:
            pipe.hget(tv.row, "renewed_at_ms")
        return pipe.execute()


async def _refresh_all(cluster: Cluster, tvs: list[Tv], chance: Random, *, death: bool) -> int:
    """All TVs at once, at any worker; with `death` one dies when it has given its first answer, and another begins.

    How many had their yes from the store when the worker died that was to tell them.
    """
    workers, store = list(cluster.workers), cluster.valkey.client()
    before = _renewed(store, tvs)
    asking = [asyncio.create_task(tv.refresh(chance.choice(workers))) for tv in tvs]
    if death:
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(workers[0].kill9)
        cluster.workers.remove(workers[0])
        await cluster.wait_following(cluster.start_worker())
    heard = await asyncio.gather(*asking)
    after = _renewed(store, tvs)
    store.close()
    return sum(told == "cut off" and former != now for told, former, now in zip(heard, before, after, strict=True))


async def test_no_lost_answer_and_no_dead_worker_signs_a_tv_out(evidence: Evidence) -> None:
    """Every second to fifth answer is lost, workers die between the store's yes and their own: every TV goes on."""
    chance = Random(7)
    tvs = [Tv(number) for number in range(_TVS)]
    exchanges = cut_off = 0
    async with cluster_of_workers(2, tv_clients=CLIENT) as cluster:
        store = cluster.valkey.client()
        for tv in tvs:
            await tv.sign_in(cluster, cluster.workers[0])
        for number in evidence.trials(_ROUNDS, seconds=60):
            _age(store, tvs, chance.choice(_MINUTES))
            cut_off += await _refresh_all(cluster, tvs, chance, death=number % _EVERY_DEATH == 1)
            exchanges += len(tvs)
            await asyncio.gather(*(tv.watch(chance.choice(cluster.workers)) for tv in tvs))
        for _ in range(_MORE_DEATHS):
            if cut_off == 0:
                cut_off += await _refresh_all(cluster, tvs, chance, death=True)
        for tv in tvs:
            tv.loses = 10**9
            await wait_until_async(lambda tv=tv: tv.is_told(cluster.workers[0]), "a TV's refresh to be answered")
            assert await tv.watch(cluster.workers[0]) or tv.refused
        store.close()

    assert cut_off > 0, "a worker died between the store's answer and its own"
    print(cut_off, "cut off", [tv.refused for tv in tvs if tv.refused])
    evidence.row(
        promise="P4",
        tried="refreshes of TVs with every second to fifth answer lost, and workers killed between store and answer",
        trials=exchanges,
        violations=sum(bool(tv.refused) for tv in tvs),
    )
