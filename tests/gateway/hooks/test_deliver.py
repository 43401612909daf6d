"""Events leave the outbox signed, in order and at least once, whatever a receiver does."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from latchstring_gateway.clock import ManualClock, SystemClock
from latchstring_gateway.errors import NotFound
from latchstring_gateway.hooks.courier import GIVE_UP_SECONDS
from latchstring_gateway.hooks.deliver import Deliverer
from latchstring_gateway.hooks.registry import Hook, Hooks
from latchstring_gateway.ids import Account
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

_URL = "https://9.9.9.9/hook"
_DEAD_URL = "https://9.9.9.8/hook"


@dataclass
class Receiver:
    """Somebody's endpoint: keeps what it was sent and answers as it is told, by host."""

    statuses: dict[str, int] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def client(self) -> httpx.AsyncClient:
        """A client whose requests end here."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        status = self.statuses.get(request.url.host, 204)
        if status == 0:
            raise httpx.ConnectError("nobody listens", request=request)
        return httpx.Response(status)

    def ids(self, host: str = "9.9.9.9") -> list[str]:
        """The event ids that came, in order."""
        return [request.headers["webhook-id"] for request in self.requests if request.url.host == host]


@pytest.fixture
async def store(store_url: str, store_client: object) -> AsyncIterator[Store]:
    """The emptied store."""
    opened = Store(store_url)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> ManualClock:
    """A clock near the store's own, since a hook hears of what comes after its making."""
    return ManualClock()


async def _note(store: Store, clock: ManualClock, account: str, event_id: str) -> None:
    fields: dict[Any, Any] = {
        "id": event_id,
        "type": "device.removed",
        "account": account,
        "at_ms": clock.wall_ms(),
        "data": json.dumps({"device": "d1"}),
    }
    partition = keys.partition_of(Account(account))
    await store.redis.xadd(keys.outbox(partition), fields, id=f"{clock.wall_ms()}-*")
    clock.advance(0.01)


async def _hook(store: Store, clock: ManualClock, url: str = _URL) -> Hook:
    hook = await Hooks(store, clock).add(url)
    clock.advance(0.01)
    return hook


async def test_an_event_arrives_signed_in_the_standard_webhooks_form(store: Store, clock: ManualClock) -> None:
    """The receiver verifies it with the library everybody uses, and finds type, time, account and data."""
    hook, receiver = await _hook(store, clock), Receiver()
    await _note(store, clock, "ada", "evt_1")

    # The library compares the timestamp with the machine's clock.
    async with receiver.client() as client:
        delivered = await Deliverer(store, SystemClock()).deliver_once(client)

    request = receiver.requests[0]
    event = Webhook(hook.secret).verify(request.content, dict(request.headers))
    assert delivered == 1
    assert event["type"] == "device.removed"
    assert event["data"] == {"account": "ada", "device": "d1"}
    assert request.headers["webhook-id"] == "evt_1"


async def test_an_event_keeps_its_id_until_it_is_taken(store: Store, clock: ManualClock) -> None:
    """A refused event comes again under the same id, later and later, and never again once it was taken."""
    await _hook(store, clock)
    receiver = Receiver({"9.9.9.9": 500})
    deliverer = Deliverer(store, clock)
    await _note(store, clock, "ada", "evt_1")

    async with receiver.client() as client:
        await deliverer.deliver_once(client)
        await deliverer.deliver_once(client)
        assert receiver.ids() == ["evt_1"], "not again at once"
        clock.advance(2)
        await deliverer.deliver_once(client)
        receiver.statuses = {}
        clock.advance(10)
        await deliverer.deliver_once(client)
        clock.advance(10)
        await deliverer.deliver_once(client)

    assert receiver.ids() == ["evt_1", "evt_1", "evt_1"]


async def test_events_of_an_account_come_in_order_and_go_on_after_a_restart(store: Store, clock: ManualClock) -> None:
    """What was taken is not sent again by the next deliverer, and the rest follows in order."""
    await _hook(store, clock)
    receiver = Receiver()
    for number in range(3):
        await _note(store, clock, "ada", f"evt_{number}")
    async with receiver.client() as client:
        await Deliverer(store, clock).deliver_once(client)
        for number in range(3, 60):
            await _note(store, clock, "ada", f"evt_{number}")

        next_one = Deliverer(store, clock)
        while await next_one.deliver_once(client):
            pass

    assert receiver.ids() == [f"evt_{number}" for number in range(60)]


async def test_a_silent_receiver_does_not_keep_events_from_another(store: Store, clock: ManualClock) -> None:
    """Each hook has its own place in the outbox."""
    await _hook(store, clock)
    await _hook(store, clock, _DEAD_URL)
    receiver = Receiver({"9.9.9.8": 0})
    for number in range(3):
        await _note(store, clock, f"account-{number}", f"evt_{number}")

    async with receiver.client() as client:
        await Deliverer(store, clock).deliver_once(client)

    assert receiver.ids() == ["evt_0", "evt_1", "evt_2"]
    assert len(set(receiver.ids("9.9.9.8"))) == len(receiver.ids("9.9.9.8")) <= 4, "a first few, and then none"


async def test_an_event_that_is_refused_for_days_is_put_with_the_dead(store: Store, clock: ManualClock) -> None:
    """The hook goes on with the next event, and the dead one can be looked at."""
    hook = await _hook(store, clock)
    receiver = Receiver({"9.9.9.9": 400})
    await _note(store, clock, "ada", "evt_bad")
    clock.advance(GIVE_UP_SECONDS + 1)

    async with receiver.client() as client:
        await Deliverer(store, clock).deliver_once(client)
        receiver.statuses = {}
        await _note(store, clock, "ada", "evt_good")
        await Deliverer(store, clock).deliver_once(client)

    dead: Any = await store.redis.xrange(keys.dead_events(hook.id))
    assert [(fields["event"], fields["reason"]) for _id, fields in dead] == [("evt_bad", "answered 400")]
    assert receiver.ids() == ["evt_bad", "evt_good"]


async def test_a_hook_hears_of_nothing_from_before_it_was_added(store: Store, clock: ManualClock) -> None:
    """A new URL is not flooded with a week of history."""
    await _note(store, clock, "ada", "evt_old")
    await _hook(store, clock)
    receiver = Receiver()
    await _note(store, clock, "ada", "evt_new")

    async with receiver.client() as client:
        await Deliverer(store, clock).deliver_once(client)

    assert receiver.ids() == ["evt_new"]


async def test_only_one_deliverer_is_at_work(store: Store, clock: ManualClock) -> None:
    """The second waits for the first to leave, and a goodbye lets it begin at once."""
    first, second = Deliverer(store, clock), Deliverer(store, clock)

    held = [await first._holds_lock(), await second._holds_lock(), await first._holds_lock()]
    await first.close()

    assert held == [True, False, True]
    assert await second._holds_lock()


async def test_a_removed_hook_leaves_nothing_behind(store: Store, clock: ManualClock) -> None:
    """Row and cursors go; an unknown id is a clear error."""
    hook = await _hook(store, clock)
    await _note(store, clock, "ada", "evt_1")
    async with Receiver().client() as client:
        await Deliverer(store, clock).deliver_once(client)

    await Hooks(store, clock).remove(hook.id)

    assert await Hooks(store, clock).list() == []
    assert await store.redis.keys("*cursors*") == []
    with pytest.raises(NotFound):
        await Hooks(store, clock).remove(hook.id)
