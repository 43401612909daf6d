"""Who listens to what this worker hears of revocations: a bounded queue each, filled as entries are applied. Pure."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from .entry import Entry

#: Entries that may wait for one listener; more than it takes in half a minute even of a storm.
QUEUE_ENTRIES: Final = 10_000


class Told(NamedTuple):
    """An entry, and until when (store time, ms) everything appended had been told when it was: where to resume."""

    partition: int
    entry: Entry
    until_ms: int


class Listener:
    """One queue. `ended` says why nothing more will come: "overrun" (too slow) or "closing"; "" while it goes on."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: list[Told] = []
        self._woken = asyncio.Event()
        self.ended = ""

    def tell(self, told: Told) -> None:
        """Queue it; a full queue ends the listener and keeps nothing for it."""
        if self.ended:
            return
        if len(self._waiting) >= self._capacity:
            self.end("overrun")
            return
        self._waiting.append(told)
        self._woken.set()

    def end(self, why: str) -> None:
        """Tell nothing more; what waits is dropped, for the listener resumes elsewhere from where it was."""
        self.ended = self.ended or why
        self._waiting.clear()
        self._woken.set()

    async def next(self, timeout_seconds: float) -> list[Told]:
        """What waits, as soon as there is something or it has ended, at most after `timeout_seconds`."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()
        waiting, self._waiting = self._waiting, []
        return waiting


class Listeners:
    """All listeners of a worker; `until_ms` says until when everything appended has been applied."""

    def __init__(self, until_ms: Callable[[], int], *, queue_entries: int = QUEUE_ENTRIES) -> None:
        self._until_ms = until_ms
        self._queue_entries = queue_entries
        self._open: set[Listener] = set()

    def __len__(self) -> int:
        return len(self._open)

    def open(self) -> Listener:
        """A listener that is told everything applied from now on; close it."""
        listener = Listener(self._queue_entries)
        self._open.add(listener)
        return listener

    def close(self, listener: Listener) -> None:
        """Forget it."""
        self._open.discard(listener)

    def tell(self, partition: int, entry: Entry) -> None:
        """An entry that is new to this worker has been applied."""
        if self._open:
            told = Told(partition, entry, self._until_ms())
            for listener in self._open:
                listener.tell(told)

    def end_all(self) -> None:
        """The worker stops: its listeners go to another one."""
        for listener in self._open:
            listener.end("closing")
