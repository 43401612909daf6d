"""A hook, its receiver and a deliverer under a driven clock."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.hooks.dead import DeadEvents
from latchstring_gateway.hooks.deliver import Deliverer
from latchstring_gateway.hooks.registry import Hook
from latchstring_gateway.hooks.standing import Standing, Standings
from latchstring_gateway.ids import Account
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store

#: More refusals than any test waits for.
PATIENT: Final = 10_000
URL: Final = "https://9.9.9.9/hook"


@dataclass
class Judge:
    """A receiver that answers each event as it is told, in turn, and then takes it."""

    answers: dict[str, list[int]] = field(default_factory=dict)
    requests: list[tuple[str, int]] = field(default_factory=list)
    retry_after: str = ""
    down: bool = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        event_id = request.headers["webhook-id"]
        if self.down:
            self.requests.append((event_id, 0))
            raise httpx.ConnectError("nobody listens", request=request)
        told = self.answers.get(event_id)
        status = told.pop(0) if told else 204
        self.requests.append((event_id, status))
        headers = {"retry-after": self.retry_after} if self.retry_after and status >= 400 else {}
        return httpx.Response(status, headers=headers)

    def ids(self) -> list[str]:
        """The ids of the events that came, in order, at each attempt."""
        return [event_id for event_id, _status in self.requests]

    def taken(self, *event_ids: str) -> bool:
        """Whether these were taken, in this order."""
        taken = [event_id for event_id, status in self.requests if status == 204 and event_id in event_ids]
        return taken == list(event_ids)


@dataclass
class Stand:
    """One hook at `receiver`, and whoever delivers to it; time moves only in `deliver`."""

    store: Store
    clock: ManualClock
    hook: Hook
    receiver: Judge
    deliverer: Deliverer
    client: httpx.AsyncClient

    async def note(self, account: str, event_id: str) -> None:
        """Something happens."""
        fields: dict[Any, Any] = {
            "id": event_id,
            "type": "device.removed",
            "account": account,
            "at_ms": self.clock.wall_ms(),
            "data": json.dumps({"device": "d1"}),
        }
        partition = keys.partition_of(Account(account))
        await self.store.redis.xadd(keys.outbox(partition), fields, id=f"{self.clock.wall_ms()}-*")
        self.clock.advance(0.002)

    async def deliver(self, *, every: float = 0.0, times: int = 1) -> None:
        """Deliver what may be delivered, `times` times, with so many seconds before each."""
        for _ in range(times):
            self.clock.advance(every)
            await self.deliverer.deliver_once(self.client)

    def restart(self) -> None:
        """Another deliverer takes over."""
        self.deliverer = Deliverer(self.store, self.clock)

    async def standing(self) -> Standing:
        """What is told of the hook."""
        await self.deliver(every=6)
        return (await Standings(self.store).all())[self.hook.id]

    async def dead(self) -> Sequence[tuple[str, str]]:
        """The dead events and why."""
        found = await DeadEvents(self.store).page(self.hook.id, limit=1_000)
        return [(dead.event.id, dead.reason) for dead in found]

    async def replay(self, *event_ids: str) -> int:
        """Ask for dead events once more."""
        return await DeadEvents(self.store).replay(self.hook.id, event_ids, now_ms=self.clock.wall_ms())

    async def commands(self) -> int:
        """How many commands the store has carried out."""
        return int((await self.store.redis.info("stats"))["total_commands_processed"])
