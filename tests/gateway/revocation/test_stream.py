"""The stream of revocations: everything is told, at least once, across gaps, workers and outages."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from harness.cluster_of_workers import cluster_of_workers
from harness.following import append
from harness.loopback import loopback
from harness.valkey import Valkey
from harness.waiting import wait_until_async
from harness.worker_app import Worker, now_ms, running_worker, settings_for
from latchstring_gateway.errors import BadRequest, StoreAway
from latchstring_gateway.revocation.listeners import Listeners
from latchstring_gateway.revocation.stream import MAX_STREAMS, RevocationStream
from latchstring_gateway.store import keys

_DAY_MS = 86_400_000


class Reader:
    """An event source: collects events and comments, and keeps the last id as browsers do."""

    def __init__(self, chunks: AsyncIterator[str]) -> None:
        self._chunks = chunks
        self.last_id = ""
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.comments = 0
        self.lags_ms: list[int] = []

    async def read(self) -> None:
        """One chunk."""
        for block in (await anext(self._chunks)).split("\n\n"):
            fields = [line.partition(":") for line in block.split("\n") if line]
            said = {name: value.removeprefix(" ") for name, _, value in fields}
            self.comments += "" in said
            self.last_id = said.get("id", self.last_id)
            if "data" in said:
                self.events.append((said["event"], json.loads(said["data"])))
                # The store's clock is this machine's.
                self.lags_ms.append(now_ms() - self.events[-1][1].get("at_ms", now_ms()))

    async def until(self, predicate: Callable[["Reader"], bool], seconds: float = 8) -> None:
        """Read until it holds."""
        async with asyncio.timeout(seconds):
            while not predicate(self):
                await self.read()

    def named(self, kind: str) -> list[Any]:
        """What revoked entries of a kind name."""
        name = "partition" if kind == "everybody" else kind
        return [data[name] for event, data in self.events if event == "revoked" and data["kind"] == kind]


@pytest.fixture
async def worker(store_url: str, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that follows the emptied store."""
    async with running_worker(settings_for(store_url, tmp_path)) as running:
        yield running


@asynccontextmanager
async def listening(worker: Worker, last_id: str = "", *, listeners: Listeners | None = None) -> AsyncIterator[Reader]:
    """A stream of this worker, with quick heartbeats."""
    rooms = worker.rooms
    stream = RevocationStream(
        rooms.feed, rooms.listeners if listeners is None else listeners, rooms.clock, heartbeat_seconds=0.05
    )
    response = await stream.endpoint(_request(last_id))
    assert isinstance(response, StreamingResponse)
    chunks: Any = response.body_iterator
    async with aclosing(chunks):
        reader = Reader(chunks)
        await reader.read()
        yield reader


def _request(last_id: str) -> Request:
    headers = [(b"last-event-id", last_id.encode("latin-1"))] if last_id else []
    return Request({"type": "http", "method": "GET", "path": "/v1/revocations/stream", "headers": headers})


async def test_every_kind_is_told_as_it_happens(worker: Worker) -> None:
    """Device, session, account and everybody, each with its time by the store's clock."""
    jar = await worker.signed_in()
    named = (await worker.verify(jar)).headers
    session, device = named["x-latch-session"], named["x-latch-device"]

    async with listening(worker) as reader:
        began = now_ms()
        await worker.api("DELETE", f"/v1/accounts/ada/sessions/{session}")
        await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}")
        await worker.api("POST", "/v1/accounts/ada/disable")
        await worker.api("POST", "/v1/revoke-everybody")
        await reader.until(lambda reader: len(reader.named("everybody")) == keys.PARTITIONS)

    assert reader.named("session") == [session]
    assert reader.named("device") == [device]
    assert reader.named("account") == ["ada"]
    assert sorted(reader.named("everybody")) == list(range(keys.PARTITIONS))
    assert all(began - 50 <= data["at_ms"] <= now_ms() + 50 for _, data in reader.events)
    assert len(worker.rooms.listeners) == 0, "a closed stream leaves nothing behind"


async def test_what_a_sign_in_ends_is_told_too(worker: Worker) -> None:
    """The former session of a browser that signs in again, by the entry that start.lua writes."""
    jar = await worker.signed_in()
    former = (await worker.verify(jar)).headers["x-latch-session"]

    async with listening(worker) as reader:
        await worker.sign_in(jar=jar)
        await reader.until(lambda reader: reader.named("session") == [former])


async def test_what_happened_in_between_is_told_on_resuming(worker: Worker, store_url: str, tmp_path: Path) -> None:
    """By its last id, on another worker as well; what was told before is mostly not told again."""
    async with running_worker(worker.rooms.settings) as other:
        async with listening(worker) as reader:
            await worker.api("POST", "/v1/accounts/ada/revoke")
            await reader.until(lambda reader: reader.named("account") == ["ada"] and reader.comments > 0)
        gone = [f"user{number}" for number in range(40)]
        for account in gone:
            await worker.api("POST", f"/v1/accounts/{account}/revoke")

        async with listening(other, reader.last_id) as resumed:
            await resumed.until(lambda reader: set(gone) <= set(reader.named("account")))
            await other.api("POST", "/v1/accounts/late/revoke")
            await resumed.until(lambda reader: "late" in reader.named("account"))


async def test_what_cannot_be_read_is_told_as_everybody_of_its_partition(worker: Worker) -> None:
    """An entry that is none ended a resumed stream in the middle, at every attempt, and was not told to any other."""
    began = str(now_ms())
    async with listening(worker) as reader:
        await worker.store.redis.xadd(keys.revocations(9), {"e": "unreadable"})
        await worker.store.redis.xadd(keys.revocations(9), {"odd": "odd"})
        await worker.store.redis.execute_command("SPUBLISH", keys.revocations(9), "unreadable")
        await reader.until(lambda reader: reader.named("everybody") == [9])
    await worker.api("POST", "/v1/accounts/ada/revoke")
    async with listening(worker, began) as resumed:
        await resumed.until(lambda reader: "ada" in reader.named("account") and 9 in reader.named("everybody"))


async def test_cut_off_while_resuming_nothing_is_lost(worker: Worker, store_url: str) -> None:
    """The id does not move before everything has been told, in pages of a thousand."""
    async with listening(worker) as reader:
        start = reader.last_id
    for number in range(30):
        await append(store_url, f"device{number}", partition=number % 3)

    async with listening(worker, start) as cut:
        await cut.until(lambda reader: len(reader.events) > 3)
        assert cut.last_id == ""
    async with listening(worker, start) as again:
        await again.until(lambda reader: reader.last_id != "")

    assert sorted(again.named("device")) == sorted(f"device{number}" for number in range(30))


async def test_a_long_partition_is_told_in_pages(worker: Worker) -> None:
    """More entries than one page holds, all of them, in order."""
    pipe = worker.store.redis.pipeline(transaction=False)
    for number in range(1, 2_502):
        pipe.xadd(keys.revocations(5), {"e": f"{number} device d{number} 0 {now_ms()} 05.r -"})
    await pipe.execute()

    async with listening(worker, str(now_ms() - 1_000)) as reader:
        await reader.until(lambda reader: reader.last_id != "")

    assert reader.named("device") == [f"d{number}" for number in range(1, 2_502)]


async def test_an_id_older_than_the_streams_is_answered_with_a_gap(worker: Worker) -> None:
    """Who was away for more than a day must end everything; the event says so before anything else."""
    async with listening(worker, str(now_ms() - _DAY_MS - 60_000)) as reader:
        await reader.until(lambda reader: reader.last_id != "")

    assert [event for event, _ in reader.events] == ["gap"]


@pytest.mark.parametrize("last_id", ["x", "-1", "1.5", "9" * 15, "9" * 5_000, "\xb2", "1 2"])
async def test_an_id_that_is_not_ours_is_refused(worker: Worker, last_id: str) -> None:
    """Resuming from nowhere would tell nothing and sound complete."""
    with pytest.raises(BadRequest, match="bad_last_event_id"):
        async with listening(worker, last_id):
            pass


async def test_who_reads_too_slowly_is_told_so_and_loses_nothing(worker: Worker, store_url: str) -> None:
    """Its queue is bounded: the last event says why, and its last id leads back to what it missed."""
    small = Listeners(lambda: worker.rooms.feed.contact_store_ms, queue_entries=5)
    worker.rooms.feed.replica.tell = small.tell
    async with listening(worker, listeners=small) as slow:
        for number in range(20):
            await append(store_url, f"device{number}")
        await wait_until_async(lambda: worker.rooms.feed.replica.is_revoked("", "device19", "", 0), "the last bell")
        with pytest.raises(StopAsyncIteration):
            await slow.until(lambda reader: False)

    assert slow.events == [("end", {"why": "overrun"})]
    async with listening(worker, slow.last_id) as resumed:
        await resumed.until(lambda reader: len(set(reader.named("device"))) == 20)


async def test_streams_of_one_worker_are_bounded(worker: Worker) -> None:
    """503 with a code of its own, so that the client tries another worker."""
    held = [worker.rooms.listeners.open() for _ in range(MAX_STREAMS)]

    with pytest.raises(StoreAway, match="too_many_streams"):
        async with listening(worker):
            pass
    worker.rooms.listeners.close(held[0])
    async with listening(worker) as reader:
        assert reader.last_id


async def test_only_the_backend_may_listen(worker: Worker) -> None:
    """Without a service credential it is 401; HEAD has no end to wait for."""
    answer = await worker.client.get("/v1/revocations/stream")
    head = await worker.api("HEAD", "/v1/revocations/stream")

    assert (answer.status_code, answer.json()["code"]) == (401, "bad_service_credential")
    assert (head.status_code, head.headers["content-type"][:17]) == (200, "text/event-stream")


@pytest.mark.store
async def test_in_an_outage_the_stream_falls_silent_and_then_misses_nothing(
    own_valkey: Callable[[], Valkey], tmp_path: Path
) -> None:
    """No comment and no new id while nobody knows; what is revoked when the store is back is told."""
    valkey = own_valkey()
    async with running_worker(settings_for(valkey.url, tmp_path, fence_seconds=0.3)) as worker:
        async with listening(worker) as reader:
            await reader.until(lambda reader: reader.comments > 1)
            valkey.stop()
            await wait_until_async(lambda: not worker.rooms.feed.holds(), "the fence to run out")
            comments = reader.comments
            with pytest.raises(TimeoutError):
                await reader.until(lambda reader: reader.comments > comments + 1, 0.5)
        with pytest.raises(StoreAway):
            async with listening(worker):
                pass
        valkey.restart()
        await wait_until_async(worker.rooms.feed.holds, "the worker to follow again")
        await worker.api("POST", "/v1/accounts/ada/revoke")

        async with listening(worker, reader.last_id) as resumed:
            await resumed.until(lambda reader: reader.named("account") == ["ada"])


async def test_a_worker_that_was_out_of_touch_for_long_sends_its_listeners_back(worker: Worker) -> None:
    """It may have forgotten what it never told: the stream ends with the old id, to be resumed from the store."""
    async with listening(worker) as reader:
        start = reader.last_id
        fence = worker.rooms.feed.registry_link.fence
        await worker.rooms.feed.close()
        fence.contact_store_ms += 61_000
        with pytest.raises(StopAsyncIteration):
            await reader.until(lambda reader: False)

    assert (reader.events, reader.last_id) == ([("end", {"why": "gap"})], start)


@pytest.mark.store
async def test_a_stream_survives_the_death_and_the_end_of_its_worker(capsys: pytest.CaptureFixture[str]) -> None:
    """Killed, it breaks; stopped, it says so at once; resumed at another worker it has everything. Latency is told."""
    async with cluster_of_workers(3) as cluster, loopback(timeout=60, headers=cluster.credential) as client:
        first, second, third = cluster.workers
        victims = [await cluster.sign_in(f"user{number}") for number in range(30)]

        async def remove(number: int) -> None:
            await cluster.remove(victims[number], third)

        async def lines_of(url: str, last_id: str = "") -> AsyncIterator[str]:
            headers = {"last-event-id": last_id} if last_id else {}
            async with client.stream("GET", f"{url}/v1/revocations/stream", headers=headers) as answer:
                assert answer.status_code == 200
                async for chunk in answer.aiter_text():
                    yield chunk

        reader = Reader(lines_of(first.url))
        await reader.read()
        for number in range(20):
            await asyncio.gather(remove(number), reader.until(lambda r, n=number: len(r.named("device")) > n))  # type: ignore[misc]
        lags = sorted(reader.lags_ms)
        first.kill9()
        with pytest.raises((httpx.TransportError, StopAsyncIteration)):
            await reader.until(lambda reader: False)
        await remove(20)

        reader._chunks = lines_of(second.url, reader.last_id)
        await reader.until(lambda r: victims[20].device in r.named("device"))
        began = time.perf_counter()
        stopping = asyncio.to_thread(second.stop)
        with pytest.raises((httpx.TransportError, StopAsyncIteration)):
            await asyncio.gather(stopping, reader.until(lambda reader: False))
        took = time.perf_counter() - began

    assert reader.events[-1] == ("end", {"why": "closing"})
    assert took < 60
    assert {one.device for one in victims[:21]} <= set(reader.named("device"))
    with capsys.disabled():
        print(f"\nfrom the store's change to the event: median {lags[10]} ms, slowest {lags[-1]} ms")
