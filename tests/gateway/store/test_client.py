"""The way to the store: every fault is one kind of failure, in time, and a task that is told to stop stops."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import redis.asyncio

from harness.valkey import Valkey
from latchstring_gateway.errors import StoreAway
from latchstring_gateway.store.client import Store


async def test_an_answer_comes_back_as_text(store_url: str) -> None:
    """Ids and names are text everywhere; a missing key is None and no fault."""
    store = Store(store_url)
    await store.guard(store.redis.set("name", "Küche"))
    found, missing = await store.guard(store.redis.get("name")), await store.guard(store.redis.get("nothing"))
    await store.close()

    assert (found, missing) == ("Küche", None)


@pytest.mark.parametrize(
    "script",
    [
        "return redis.error_reply('READONLY You can not write against a read only replica.')",
        "return redis.error_reply('LOADING the dataset is in memory')",
        "return redis.error_reply('CLUSTERDOWN The cluster is down')",
        "return redis.error_reply('OOM command not allowed')",
        "return nil + 1",
    ],
)
async def test_whatever_the_store_says_in_error_it_is_away(store_url: str, script: str) -> None:
    """Read-only, loading, full or broken: never an answer, so never a reason to sign anybody out."""
    store = Store(store_url)

    with pytest.raises(StoreAway):
        await store.guard(store.redis.execute_command("EVAL", script, 0))
    await store.close()


async def test_a_store_that_does_not_exist_is_away(tmp_path: Path) -> None:
    """No socket, and a port nobody listens on."""
    for url in (f"unix://{tmp_path}/none.sock", "redis://127.0.0.1:1/0"):
        store = Store(url)
        with pytest.raises(StoreAway):
            await store.guard(store.redis.get("x"))
        await store.close()


async def test_a_peer_that_never_answers_is_away_in_time() -> None:
    """Somebody accepts the connection and says nothing."""
    listening = socket.create_server(("127.0.0.1", 0))
    store = Store(f"redis://127.0.0.1:{listening.getsockname()[1]}", timeout_seconds=0.2)
    began = asyncio.get_running_loop().time()

    with pytest.raises(StoreAway):
        await store.guard(store.redis.get("x"))

    assert asyncio.get_running_loop().time() - began < 1.0
    await store.close()
    listening.close()


@pytest.mark.store
async def test_a_store_that_hangs_is_away_in_time_and_well_again_after(own_valkey: Callable[[], Valkey]) -> None:
    """Frozen with connections open; whoever asks beyond the pool waits no longer than the others."""
    server = own_valkey()
    store = Store(server.url, timeout_seconds=0.3)
    await store.guard(store.redis.set("x", "1"))
    server.freeze()
    began = asyncio.get_running_loop().time()

    answers = await asyncio.gather(*(store.guard(store.redis.get("x")) for _ in range(100)), return_exceptions=True)
    took = asyncio.get_running_loop().time() - began
    server.thaw()

    assert {type(answer) for answer in answers} == {StoreAway}
    assert took < 1.5
    assert await store.guard(store.redis.get("x")) == "1", "no late answer is taken for another's"
    await store.close()


@pytest.mark.parametrize("ending", ["answer", "fault"])
async def test_a_cancellation_that_the_client_library_loses_is_heeded(ending: str) -> None:
    """A loop told to stop went on for ever: asyncio.wait_for in redis-py loses one cancellation in a hundred (3.11)."""
    store = Store("redis://127.0.0.1:1")
    under_way = asyncio.Event()

    async def loses_it() -> str:
        under_way.set()
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            if ending == "fault":
                raise redis.exceptions.ConnectionError from None
        return "answer"

    task = asyncio.create_task(store.guard(loses_it()))
    await under_way.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await store.close()


async def test_a_time_limit_that_runs_out_is_no_cancellation() -> None:
    """Its own time limit, and one of the caller's around it, end as they should."""
    store = Store("redis://127.0.0.1:1", timeout_seconds=0.05)

    with pytest.raises(StoreAway):
        await store.guard(asyncio.sleep(10))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await store.guard(asyncio.sleep(10))
    await store.close()
