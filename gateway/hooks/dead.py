"""Events that a receiver never took: kept for a while with the reason, listed, and sent again when asked for."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import NotFound
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from .event import Event

#: How many are kept of a hook, and for how long: they name accounts.
MAX_DEAD: Final = 10_000
KEPT_MS: Final = 14 * 86_400_000
_PAGE: Final = 500
_BURY = load(
    Path(__file__).parent / "bury.lua",
    keys=("dead",),
    args=("event", "type", "account", "at_ms", "body", "reason", "most", "kept_ms"),
)


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that was given up: `position` is its place in the list, `reason` what the receiver did last."""

    position: str
    event: Event
    reason: str
    given_up_at_ms: int


class DeadEvents:
    """The dead events of hooks. Every method raises StoreAway."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def bury(self, hook_id: str, event: Event, reason: str) -> None:
        """Keep an event, with the reason why it is given up."""
        await _BURY(
            self._store,
            {"dead": keys.dead_events(hook_id)},
            {
                "event": event.id,
                "type": event.type,
                "account": event.account,
                "at_ms": event.at_ms,
                "body": event.body,
                "reason": reason,
                "most": MAX_DEAD,
                "kept_ms": KEPT_MS,
            },
        )

    async def count(self, hook_id: str) -> int:
        """How many there are."""
        return int(await self._store.guard(self._store.redis.xlen(keys.dead_events(hook_id))))

    async def page(self, hook_id: str, *, after: str = "", limit: int = 100) -> list[DeadEvent]:
        """At most `limit` of them behind the place `after`, oldest first; one whose row cannot be read is left out."""
        found: Any = await self._store.guard(
            self._store.redis.xrange(keys.dead_events(hook_id), min=f"({after}" if after else "-", count=limit)
        )
        return [dead for place, fields in found if (dead := _read(place, fields)) is not None]

    async def replay(self, hook_id: str, ids: Collection[str] = (), *, now_ms: int) -> int:
        """Ask for the events of these ids to be sent once more, all without any; how many were found.

        They come out of the order of their accounts. Raises NotFound (none of `ids`).
        """
        wanted, moved, after = set(ids), 0, ""
        while page := await self.page(hook_id, after=after, limit=_PAGE):
            after = page[-1].position
            chosen = [dead for dead in page if not wanted or dead.event.id in wanted]
            if chosen:
                await self._move(hook_id, chosen, now_ms)
            moved += len(chosen)
        moved += await self._replay_former(hook_id, wanted, now_ms)
        if wanted and not moved:
            raise NotFound("unknown_event", "no dead event of this hook has this id")
        return moved

    async def replays(self, hook_id: str, *, count: int) -> list[tuple[str, Event]]:
        """What is to be sent once more, oldest first."""
        found: Any = await self._store.guard(self._store.redis.xrange(keys.replays(hook_id), count=count))
        read = [(place, _read(place, fields)) for place, fields in found]
        return [(place, dead.event) for place, dead in read if dead is not None]

    async def replayed(self, hook_id: str, place: str) -> None:
        """It was sent, or is dead again."""
        await self._store.guard(self._store.redis.xdel(keys.replays(hook_id), place))

    async def _move(self, hook_id: str, chosen: Collection[DeadEvent], now_ms: int) -> None:
        pipe = self._store.redis.pipeline(transaction=False)
        # First there, then gone here: what is sent twice has the same id.
        for dead in chosen:
            pipe.xadd(keys.replays(hook_id), _row(dead.event, dead.reason, now_ms), maxlen=MAX_DEAD, approximate=True)
        pipe.pexpire(keys.replays(hook_id), KEPT_MS)
        pipe.xdel(keys.dead_events(hook_id), *(dead.position for dead in chosen))
        await self._store.guard(pipe.execute())

    async def _replay_former(self, hook_id: str, wanted: set[str], now_ms: int) -> int:
        """The same for the list of an older release, which was one for all hooks."""
        moved, redis = 0, self._store.redis
        found: Any = await self._store.guard(redis.xrange(keys.DEAD_HOOKS, count=MAX_DEAD))
        for place, fields in found:
            if fields.get("hook") == hook_id and (not wanted or fields.get("event") in wanted) and "body" in fields:
                event = Event(fields["event"], "", "", now_ms, fields["body"])
                row = _row(event, "", now_ms)
                await self._store.guard(redis.xadd(keys.replays(hook_id), row, maxlen=MAX_DEAD, approximate=True))
                await self._store.guard(redis.xdel(keys.DEAD_HOOKS, place))
                moved += 1
        return moved


def _row(event: Event, reason: str, now_ms: int) -> dict[Any, Any]:
    return {
        "event": event.id,
        "type": event.type,
        "account": event.account,
        "at_ms": event.at_ms,
        "body": event.body,
        "reason": reason,
        "given_up_at_ms": now_ms,
    }


def _read(place: str, fields: dict[str, str]) -> DeadEvent | None:
    try:
        event = Event(fields["event"], fields["type"], fields["account"], int(fields["at_ms"]), fields["body"])
        return DeadEvent(place, event, fields["reason"], int(fields["given_up_at_ms"]))
    except (KeyError, ValueError):
        return None
