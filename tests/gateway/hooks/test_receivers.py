"""Real receivers on real sockets: what they verify, and what one that hangs does to the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from standardwebhooks import Webhook

from harness.waiting import wait_until_async
from harness.worker_app import AGENT, Jar, Worker, running_worker, settings_for
from latchstring_gateway.background import Background
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.hooks.deliver import POLL_SECONDS, Deliverer
from latchstring_gateway.hooks.registry import Hooks
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

_OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver:
    """An HTTP server that keeps what it gets; `answer` writes the response."""

    def __init__(self, answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
        self._answer = answer
        self.requests: list[tuple[dict[str, str], str]] = []
        self.url = ""
        self._serving: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection comes in."""
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def hang_up(self) -> None:
        """End every connection."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
                body = (await reader.readexactly(int(headers["content-length"]))).decode()
                self.requests.append((headers, body))
                await self._answer(writer)


@pytest.fixture
async def receiver() -> AsyncIterator[Callable[..., Awaitable[Receiver]]]:
    """Starts receivers on the loopback; they take at once unless told otherwise."""
    servers: list[asyncio.Server] = []
    receivers: list[Receiver] = []

    async def take(writer: asyncio.StreamWriter) -> None:
        writer.write(_OK)

    async def make(answer: Callable[[asyncio.StreamWriter], Awaitable[None]] = take) -> Receiver:
        made = Receiver(answer)
        receivers.append(made)
        servers.append(await asyncio.start_server(made.accept, "127.0.0.1", 0))
        made.url = f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}/hook"
        return made

    yield make
    for server in servers:
        server.close()
    for one in receivers:
        await one.hang_up()


@pytest.fixture
async def deliverer(store_url: str) -> AsyncIterator[Deliverer]:
    """A deliverer at work."""
    store = Store(store_url)
    working = Deliverer(store, SystemClock(), first_retry_seconds=0.05)
    background = Background(SystemClock())
    async with working.client() as client:
        background.forever(
            "hooks", partial(working.step, client), every_seconds=POLL_SECONDS, within_seconds=9, remedy="look"
        )
        yield working
        await background.close()
        await working.stop()
    await working.close()
    assert await store.redis.get(keys.DELIVERER_LOCK) is None, "the next deliverer may begin at once"
    await store.close()


@pytest.fixture
async def worker(store_url: str, tmp_path: Any) -> AsyncIterator[Worker]:
    """A worker whose sign-ins and removals make events."""
    async with running_worker(settings_for(store_url, tmp_path)) as running:
        yield running


async def test_a_removal_reaches_a_receiver_that_verifies_it(
    worker: Worker, deliverer: Deliverer, receiver: Callable[..., Awaitable[Receiver]]
) -> None:
    """From the script through the outbox to a stranger's library: device added, session started, device removed."""
    site = await receiver()
    hook = await Hooks(worker.store, SystemClock()).add(site.url)
    browser = {"user_agent": AGENT, "address": "193.0.6.139"}
    device = (await worker.sign_in(jar=Jar(), browser=browser)).json()["device"]["id"]
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{device}")

    await wait_until_async(lambda: len(site.requests) == 3, "three events to arrive")
    told = [Webhook(hook.secret).verify(body, headers) for headers, body in site.requests]

    assert [event["type"] for event in told] == ["device.added", "session.started", "device.removed"]
    assert {event["data"]["account"] for event in told} == {"ada"}
    assert told[0]["data"] == {
        "account": "ada",
        "device": device,
        "name": "Firefox on Linux",
        "kind": "computer",
        "model": "",
        "os": "Linux",
        "client": "Firefox",
        "network": "193.0.6.0/24",
        "country": "NL",
        "provider": "",
    }, "enough for a mail to its owner"
    assert told[2]["data"]["device"] == device
    assert told[2]["data"]["reason"] == "removed_by_website"


@pytest.mark.parametrize("manner", ["hangs", "drips"])
async def test_a_receiver_that_hangs_keeps_neither_the_others_nor_the_lock_waiting(
    worker: Worker, deliverer: Deliverer, receiver: Callable[..., Awaitable[Receiver]], manner: str
) -> None:
    """A round lasted as long as its slowest receiver: the lock lapsed meanwhile, and events of all others waited."""

    async def stuck(writer: asyncio.StreamWriter) -> None:
        writer.write(b"" if manner == "hangs" else b"HTTP/1.1 503 Busy\r\ncontent-len")
        await asyncio.Event().wait()

    slow, quick = await receiver(stuck), await receiver()
    hooks = Hooks(worker.store, SystemClock())
    await hooks.add(slow.url)
    await hooks.add(quick.url)
    await worker.sign_in()
    await wait_until_async(lambda: slow.requests and quick.requests, "both to be told of the first")
    before = len(quick.requests)

    await worker.sign_in("bob")
    await wait_until_async(lambda: len(quick.requests) >= before + 2, "the other to be told of the next")

    assert len(slow.requests) <= 2, "one event of each account"
    assert await worker.store.redis.pttl(keys.DELIVERER_LOCK) > 4_000


async def test_an_endless_answer_is_not_read(
    worker: Worker, deliverer: Deliverer, receiver: Callable[..., Awaitable[Receiver]]
) -> None:
    """Only the status counts, so nobody can fill our memory."""

    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n" + b"x" * 1_000)

    chatty = await receiver(endless)
    await Hooks(worker.store, SystemClock()).add(chatty.url)
    await worker.sign_in()

    await wait_until_async(lambda: len(chatty.requests) == 2, "both events to be taken")


async def test_a_redirect_is_a_refusal_and_is_not_followed(
    worker: Worker, deliverer: Deliverer, receiver: Callable[..., Awaitable[Receiver]]
) -> None:
    """A receiver cannot send our signed events elsewhere; they are offered again instead, under the same id."""
    elsewhere = await receiver()

    async def moved(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 307 Moved\r\nlocation: {elsewhere.url}\r\ncontent-length: 0\r\n\r\n".encode())

    site = await receiver(moved)
    await Hooks(worker.store, SystemClock()).add(site.url)
    await worker.sign_in()

    await wait_until_async(lambda: len(site.requests) >= 2, "the event to be offered again")
    assert elsewhere.requests == []
    assert len({headers["webhook-id"] for headers, _ in site.requests}) == 1
