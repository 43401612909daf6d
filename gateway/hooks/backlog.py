"""What a hook has not had yet: a window on the outbox, and the queues of accounts whose events its receiver refused.

An event waits in its account's queue. While the receiver takes what it is sent, a queue lives in memory only, and the
hook's cursor in the partition stays before the oldest event that was not dealt with. When an event is refused, the
account's queue is held: written down beside the cursor, which then moves on, so that nobody else waits for it.
"""

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from ..store import keys
from ..store.client import Store
from .event import Event, Position, position, read, text_of
from .registry import Hook

#: Events of a hook that are in memory at once.
MAX_WINDOW: Final = 200
#: Events of an account that wait behind a refused one; more are given up at once.
MAX_HELD_EVENTS: Final = 100
#: Accounts whose events are refused; with more nothing new is read until the receiver takes some.
MAX_HELD_ACCOUNTS: Final = 1_000


@dataclass(slots=True)
class Queue:
    """The events of an account that wait, oldest first; the first may be under way."""

    account: str
    partition: int
    waiting: deque[tuple[Position, Event | None]] = field(default_factory=deque)
    is_held: bool = False
    failures: int = 0
    not_before_ns: int = 0


class Backlog:
    """The queues of one hook. Methods that wait raise StoreAway."""

    def __init__(self, store: Store, hook: Hook) -> None:
        self._store = store
        self._hook = hook
        self.queues: dict[str, Queue] = {}
        #: Up to where the outbox was read, and of what was read since the cursor, what was dealt with.
        self._read_to: list[Position] = []
        self._open: list[dict[Position, bool]] = [{} for _ in range(keys.PARTITIONS)]
        self._in_window = 0
        #: Entries of the outbox that could not be read.
        self.unreadable = 0

    async def load(self) -> None:
        """Read the cursors and what is held."""
        redis = self._store.redis
        pipe = redis.pipeline(transaction=False)
        for partition in range(keys.PARTITIONS):
            pipe.hget(keys.cursors(partition), self._hook.id)
            pipe.hgetall(keys.held_events(partition, self._hook.id))
        found = await self._store.guard(pipe.execute())
        beginning = (self._hook.created_at_ms, -1)
        self._read_to = [position(cursor) if cursor else beginning for cursor in found[::2]]
        for partition, held in enumerate(found[1::2]):
            for account, row in held.items():
                waiting = deque[tuple[Position, Event | None]]((position(at), None) for at in json.loads(row))
                self.queues[account] = Queue(account, partition, waiting, is_held=True)

    @property
    def held(self) -> list[Queue]:
        """The accounts whose events were refused."""
        return [queue for queue in self.queues.values() if queue.is_held]

    def oldest_ms(self) -> int | None:
        """When the oldest event happened that waits, as far as it was read; None if none does."""
        firsts = [queue.waiting[0][0][0] for queue in self.queues.values() if queue.waiting]
        return min(firsts, default=None)

    async def fill(self, ends: list[Position]) -> None:
        """Read on where an outbox has more than was read, as far as there is room; `ends` are the last positions."""
        behind = [partition for partition, end in enumerate(ends) if end > self._read_to[partition]]
        room = MAX_WINDOW - self._in_window
        if not behind or room <= 0 or len(self.held) >= MAX_HELD_ACCOUNTS:
            return
        # Whoever has waited longest is read first, and each gets a share.
        behind.sort(key=lambda partition: self._read_to[partition])
        behind = behind[:room]
        share = max(1, room // len(behind))
        pipe = self._store.redis.pipeline(transaction=False)
        for partition in behind:
            pipe.xrange(keys.outbox(partition), min=_after(self._read_to[partition]), count=share)
        found = zip(behind, await self._store.guard(pipe.execute()), strict=True)
        read_now = [(position(entry), partition, fields) for partition, entries in found for entry, fields in entries]
        changed: set[str] = set()
        for at, partition, fields in sorted(read_now, key=lambda entry: entry[:2]):
            self._read_to[partition] = at
            event = read(fields)
            if event is None:
                self.unreadable += 1
                self._open[partition][at] = True
            else:
                self._take(partition, at, event, changed)
        for account in changed:
            await self._write_held(self.queues[account])
        for partition in behind:
            await self._move_on(partition)

    def _take(self, partition: int, at: Position, event: Event, changed: set[str]) -> None:
        queue = self.queues.get(event.account)
        if queue is None:
            queue = self.queues[event.account] = Queue(event.account, partition)
        if queue.is_held:
            self._open[partition][at] = True
            if all(at != known for known, _ in queue.waiting):
                queue.waiting.append((at, None))
                changed.add(event.account)
            return
        queue.waiting.append((at, event))
        self._open[partition][at] = False
        self._in_window += 1

    async def first(self, queue: Queue) -> Event | None:
        """The event that is due; None if it is gone from the outbox or cannot be read (it is dealt with then)."""
        at, event = queue.waiting[0]
        return event or await self._look_up(queue.partition, at)

    async def dealt_with(self, queue: Queue) -> None:
        """The first event was taken, or given up."""
        at, _ = queue.waiting.popleft()
        if queue.is_held:
            await self._write_held(queue)
        else:
            self._in_window -= 1
            self._open[queue.partition][at] = True
            await self._move_on(queue.partition)
        if not queue.waiting and self.queues.get(queue.account) is queue:
            del self.queues[queue.account]

    async def hold(self, queue: Queue) -> None:
        """The first event was refused: from now on the account's events wait beside the cursor."""
        if queue.is_held:
            return
        queue.is_held = True
        await self._write_held(queue)
        self._in_window -= len(queue.waiting)
        for at, _ in queue.waiting:
            self._open[queue.partition][at] = True
        queue.waiting = deque((at, None) for at, _ in queue.waiting)
        await self._move_on(queue.partition)

    def overfull(self) -> list[Queue]:
        """Held queues that are longer than they may be: the caller gives their first events up."""
        return [queue for queue in self.held if len(queue.waiting) > MAX_HELD_EVENTS]

    async def _look_up(self, partition: int, at: Position) -> Event | None:
        place = text_of(at)
        found: Any = await self._store.guard(
            self._store.redis.xrange(keys.outbox(partition), min=place, max=place, count=1)
        )
        return read(found[0][1]) if found else None

    async def _write_held(self, queue: Queue) -> None:
        key = keys.held_events(queue.partition, self._hook.id)
        if queue.waiting:
            row = json.dumps([text_of(at) for at, _ in queue.waiting], separators=(",", ":"))
            await self._store.guard(self._store.redis.hset(key, queue.account, row))
        else:
            await self._store.guard(self._store.redis.hdel(key, queue.account))

    async def _move_on(self, partition: int) -> None:
        """Put the cursor behind everything that was dealt with before the first that was not."""
        seen, last = self._open[partition], None
        while seen:
            at = next(iter(seen))
            if not seen[at]:
                break
            del seen[at]
            last = at
        if last is not None:
            await self._store.guard(self._store.redis.hset(keys.cursors(partition), self._hook.id, text_of(last)))


def _after(at: Position) -> str:
    """The lower bound of what comes behind a position."""
    return f"{at[0]}-0" if at[1] < 0 else f"({text_of(at)}"
