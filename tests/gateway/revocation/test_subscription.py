"""One subscribed connection to a real store: order, silence, and ends of every kind."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import redis.asyncio

from harness.valkey import Valkey
from latchstring_gateway.errors import StoreAway
from latchstring_gateway.revocation.subscription import Subscription
from latchstring_gateway.store.client import Store

pytestmark = pytest.mark.store

_CHANNELS = ["{x}:one", "{x}:two"]


class Listener:
    """A subscription that is followed, and what it has taken."""

    def __init__(self, url: str, timeout_seconds: float = 0.5) -> None:
        self.taken: list[tuple[str, str]] = []
        self.store = Store(url, timeout_seconds=timeout_seconds)
        self.timeout_seconds = timeout_seconds
        self.following: asyncio.Task[None] | None = None

    async def follow(self) -> None:
        """Subscribe, and take what comes in the background."""
        self.subscription = Subscription(
            await self.store.raw_connection(0),
            lambda channel, message: self.taken.append((channel, message)),
            timeout_seconds=self.timeout_seconds,
        )
        await self.subscription.open(_CHANNELS)
        self.following = asyncio.create_task(self.subscription.follow())

    async def close(self) -> None:
        """Let go of everything."""
        await self.subscription.close()
        if self.following is not None:
            await asyncio.gather(self.following, return_exceptions=True)
        await self.store.close()


@pytest.fixture
async def listener(store_url: str) -> AsyncIterator[Listener]:
    """A listener on the shared store."""
    one = Listener(store_url)
    await one.follow()
    yield one
    await one.close()


async def test_the_pong_comes_after_every_earlier_bell(listener: Listener, store_client: redis.asyncio.Redis) -> None:
    """Whatever was published before the PING was sent has been taken when the PONG is here, however much it is."""
    for round_number in range(20):
        pipe = store_client.pipeline(transaction=False)
        for number in range(500):
            pipe.execute_command("SPUBLISH", _CHANNELS[number % 2], f"{round_number}:{number} {'x' * 200}")
        await pipe.execute()

        await listener.subscription.ping()

        assert len(listener.taken) == 500 * (round_number + 1)
        assert listener.taken[-1][1].startswith(f"{round_number}:499 ")


async def test_bells_of_a_script_precede_the_pong_too(listener: Listener, store_client: redis.asyncio.Redis) -> None:
    """A script's SPUBLISH is delivered in order as well, while another client's PINGs are under way."""
    script = "for i = 1, 100 do redis.call('SPUBLISH', KEYS[1], i) end return 1"
    for round_number in range(1, 21):
        calls = [store_client.eval(script, 1, _CHANNELS[0]) for _ in range(3)]
        await asyncio.gather(*calls, listener.subscription.ping(), listener.subscription.ping())

        await listener.subscription.ping()

        assert len(listener.taken) == round_number * 300


async def test_silence_is_no_end(listener: Listener) -> None:
    """A read that timed out answered None and broke the follower; a quiet night must not."""
    await asyncio.sleep(1.2)

    assert listener.following is not None
    assert not listener.following.done()
    await listener.subscription.ping()


async def test_a_killed_connection_ends_the_following_and_every_ping(
    listener: Listener, store_client: redis.asyncio.Redis
) -> None:
    """The follower hears of it at once, and a later PING does not connect again behind its back."""
    await store_client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert listener.following is not None
    with pytest.raises(StoreAway):
        await listener.following

    with pytest.raises(StoreAway):
        await listener.subscription.ping()
    with pytest.raises(StoreAway):
        await listener.subscription.ping()
    assert not [one for one in await store_client.client_list() if int(one["ssub"])]


async def test_without_a_pong_the_connection_is_given_up(own_valkey: Callable[[], Valkey]) -> None:
    """A PONG that comes too late must not answer a later PING."""
    server = own_valkey()
    listener = Listener(server.url, timeout_seconds=0.2)
    await listener.follow()
    server.freeze()
    try:
        with pytest.raises(StoreAway):
            await listener.subscription.ping()
    finally:
        server.thaw()

    assert listener.following is not None
    with pytest.raises(StoreAway):
        await listener.following
    with pytest.raises(StoreAway):
        await listener.subscription.ping()
    await listener.close()


async def test_a_store_that_never_confirms_is_away(own_valkey: Callable[[], Valkey]) -> None:
    """Connecting to a hanging server ends in time and leaves no connection open."""
    server = own_valkey()
    server.freeze()
    listener = Listener(server.url, timeout_seconds=0.2)
    try:
        with pytest.raises(StoreAway):
            await listener.follow()
    finally:
        server.thaw()
        await listener.close()


async def test_a_cancelled_ping_shifts_no_pong(own_valkey: Callable[[], Valkey]) -> None:
    """Cancelled in the middle, a PING ends its subscription: no later PING may be taken for answered by its PONG."""
    server = own_valkey()
    listener = Listener(server.url, timeout_seconds=20)
    await listener.follow()
    server.freeze()
    try:
        ping = asyncio.create_task(listener.subscription.ping())
        await asyncio.sleep(0.05)
        ping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ping
    finally:
        server.thaw()

    with pytest.raises(StoreAway):
        await listener.subscription.ping()
    await listener.close()


async def test_closing_wakes_whoever_waits_for_a_pong(own_valkey: Callable[[], Valkey]) -> None:
    """A heartbeat does not sit out its time limit on a subscription that is gone."""
    server = own_valkey()
    listener = Listener(server.url, timeout_seconds=20)
    await listener.follow()
    server.freeze()
    try:
        ping = asyncio.create_task(listener.subscription.ping())
        await asyncio.sleep(0.05)
        await listener.subscription.close()
        with pytest.raises(StoreAway):
            await ping
    finally:
        server.thaw()
        await listener.close()
