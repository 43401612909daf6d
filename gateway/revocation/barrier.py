"""Waiting until every registered worker has applied a revocation, or until it is plain who is missing."""

import asyncio
from collections.abc import Iterable


class Barrier:
    """Collects acknowledgements for the revocations that this worker has under way."""

    def __init__(self) -> None:
        self._heard: dict[str, set[str]] = {}
        self._changed: dict[str, asyncio.Event] = {}

    def open(self, revocation_id: str) -> None:
        """Begin to listen; call it before the revocation is sent, or an acknowledgement could come too early."""
        self._heard[revocation_id] = set()
        self._changed[revocation_id] = asyncio.Event()

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
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            pass
        return frozenset(heard)

    def close(self, revocation_id: str) -> None:
        """Stop listening."""
        self._heard.pop(revocation_id, None)
        self._changed.pop(revocation_id, None)
