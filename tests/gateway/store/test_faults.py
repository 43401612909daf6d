"""Whatever the client library, the event loop or the server says on the way to the store is one of our two faults."""

import asyncio

import pytest
import redis.asyncio
from redis import exceptions

from latchstring_gateway.errors import StoreAway, StoreRefused, TooFewReplicas
from latchstring_gateway.store.client import Store
from latchstring_gateway.store.faults import away

_PASSING = [
    RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"),
    AttributeError("'NoneType' object has no attribute 'writelines'"),
    asyncio.IncompleteReadError(b"", 4),
    ConnectionResetError(),
    TimeoutError(),
    OSError(24, "Too many open files"),
    ValueError("invalid literal for int() with base 10: b'x'"),
    exceptions.ConnectionError(),
    exceptions.ReadOnlyError("You can't write against a read only replica."),
    exceptions.BusyLoadingError("loading"),
    exceptions.OutOfMemoryError("OOM"),
    exceptions.AuthenticationError("WRONGPASS"),
    exceptions.ResponseError("MISCONF Errors writing to the AOF file"),
    exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
    exceptions.InvalidResponse("Protocol error"),
]


@pytest.mark.parametrize("fault", _PASSING, ids=lambda fault: f"{type(fault).__name__} {str(fault)[:10]}")
def test_what_a_connection_can_raise_means_that_the_store_is_away(fault: Exception) -> None:
    """A RuntimeError of uvloop was answered 500, and ended the task that follows revocations."""
    found = away(fault)

    assert type(found) is StoreAway
    assert type(fault).__name__ in found.detail


@pytest.mark.parametrize(
    "fault", [exceptions.ResponseError("WRONGTYPE Operation against a key"), KeyError("x"), ZeroDivisionError()]
)
def test_what_waiting_does_not_mend_is_told_apart(fault: Exception) -> None:
    """Data that nobody wrote, or a bug: 503 to a client, and a failure of the task that met it."""
    assert type(away(fault)) is StoreRefused


def test_our_own_faults_stay_what_they_are() -> None:
    """Too few replicas is more than an absent store."""
    fault = TooFewReplicas(0, 1)

    assert away(fault) is fault


@pytest.mark.store
async def test_an_error_of_a_script_is_a_refusal(store_url: str, store_client: redis.asyncio.Redis) -> None:
    """As a real server words it."""
    store = Store(store_url)
    with pytest.raises(StoreRefused):
        await store.guard(store.redis.eval("return cjson.decode('x')", 0))
    await store_client.set("text", "x")
    with pytest.raises(StoreRefused):
        await store.guard(store.redis.hgetall("text"))
    await store.close()
