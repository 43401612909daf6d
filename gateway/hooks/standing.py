"""How the delivery to a hook goes: what the list shows, and what the metrics say."""

import json
from dataclasses import asdict, dataclass

from .. import metrics
from ..store import keys
from ..store.client import Store
from .health import State


@dataclass(frozen=True, slots=True)
class Standing:
    """The figures of one hook. "partly": the events of some accounts are refused; "failing": nothing is taken."""

    state: State
    reason: str
    failing_since_ms: int
    #: How long the oldest event waits that was not taken.
    backlog_seconds: int
    held_accounts: int
    dead: int
    at_ms: int

    def show(self, hook_id: str) -> None:
        """Set the gauges of the hook."""
        failing_ms = self.at_ms - self.failing_since_ms if self.failing_since_ms else 0
        metrics.HOOK_PAUSED.labels(hook_id).set(int(self.state == "paused"))
        metrics.HOOK_FAILING.labels(hook_id).set(max(0, failing_ms) // 1000)
        metrics.HOOK_BACKLOG.labels(hook_id).set(self.backlog_seconds)
        metrics.HOOK_HELD.labels(hook_id).set(self.held_accounts)
        metrics.HOOK_DEAD.labels(hook_id).set(self.dead)


#: What the gauges say of a hook that this process does not serve.
NOT_SERVED = Standing("ok", "", 0, 0, 0, 0, 0)


class Standings:
    """The standings of all hooks, as the deliverer at work told them. Every method raises StoreAway."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, hook_id: str, standing: Standing) -> None:
        """Replace a hook's."""
        row = json.dumps(asdict(standing))
        await self._store.guard(self._store.redis.hset(keys.HOOK_STATES, hook_id, row))

    async def all(self) -> dict[str, Standing]:
        """By hook; one that cannot be read is left out."""
        rows = await self._store.guard(self._store.redis.hgetall(keys.HOOK_STATES))
        return {str(hook): standing for hook, row in rows.items() if (standing := _read(str(row))) is not None}


def _read(row: str) -> Standing | None:
    try:
        return Standing(**json.loads(row))
    except (ValueError, TypeError):
        return None
