"""Telling the askers what this worker has applied: one message a loop turn and asker, apart from heartbeats."""

import asyncio
import contextlib
from collections.abc import Callable

from ..errors import StoreAway
from ..store import keys
from ..store.client import Store
from .entry import Entry


class Acknowledgements:
    """What one worker has applied and not said yet; `heard` is told at once of what this worker itself asked for."""

    def __init__(self, store: Store, worker: str, heard: Callable[[str, list[str]], None]) -> None:
        self._store = store
        self._worker = worker
        self._heard = heard
        self._unsaid: dict[str, list[str]] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def note(self, entry: Entry) -> None:
        """The entry has been applied; its asker is told after this loop turn."""
        if entry.reply_to == "-":
            return
        if not self._unsaid:
            task = asyncio.create_task(self._send())
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        self._unsaid.setdefault(entry.reply_to, []).append(entry.revocation_id)

    async def close(self) -> None:
        """Say no more."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _send(self) -> None:
        batch, self._unsaid = self._unsaid, {}
        for asker, ids in batch.items():
            if asker == self._worker:
                self._heard(self._worker, ids)
                continue
            # Not heard, it is judged by its row: slower, and just as right.
            with contextlib.suppress(StoreAway):
                await self._store.guard(
                    self._store.redis.execute_command("SPUBLISH", keys.acks(asker), " ".join([self._worker, *ids]))
                )
