"""Waiting until every registered worker has applied a revocation, or until it is plain who is missing."""

import asyncio
from collections import Counter
from collections.abc import Iterable


class Barrier:
    """Collects acknowledgements for the revocations that this worker has under way."""

    def __init__(self) -> None:
        self._heard: dict[str, set[str]] = {}
        self._changed: dict[str, asyncio.Event] = {}
        #: How many listen.
        self._open: Counter[str] = Counter()

    def open(self, revocation_id: str) -> None:
        """Begin to listen; call it before the revocation is sent, or an acknowledgement could come too early.

        Several may listen for the same one, which share what was heard; each closes it.
        """
        if not self._open[revocation_id]:
            self._heard[revocation_id] = set()
            self._changed[revocation_id] = asyncio.Event()
        self._open[revocation_id] += 1

    def heard(self, worker: str, revocation_ids: Iterable[str]) -> None:
        """A worker says it has applied these; ids that nobody waits for are passed over."""
        for revocation_id in revocation_ids:
            if revocation_id in self._heard:
                self._heard[revocation_id].add(worker)
                self._changed[revocation_id].set()

    async def wait(self, revocation_id: str, workers: frozenset[str], patience_seconds: float) -> frozenset[str]:
        """Who has applied it, as soon as `workers` all have, or after `patience_seconds`."""
        heard, changed = self._heard[revocation_id], self._changed[revocation_id]
        try:
            async with asyncio.timeout(patience_seconds):
                while not workers <= heard:
                    # One event for all who wait: `set` wakes every waiter, also where one of them clears it first.
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            pass
        return frozenset(heard)

    def close(self, revocation_id: str) -> None:
        """Stop listening; once for each `open`."""
        self._open[revocation_id] -= 1
        if self._open[revocation_id] <= 0:
            del self._open[revocation_id]
            self._heard.pop(revocation_id, None)
            self._changed.pop(revocation_id, None)
