"""Telling the askers what this worker has applied: one message a loop turn and asker, apart from heartbeats."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from ..background import Background, Turns, Work
from ..clock import Clock
from ..errors import StoreAway
from ..store import keys
from ..store.client import Store
from .entry import Entry

_SEND_SECONDS: Final = 10.0


class Acknowledgements:
    """What one worker has applied and not said yet; `heard` is told at once of what this worker itself asked for.

    Nothing is said before `start`; `close` it.
    """

    def __init__(self, store: Store, worker: str, heard: Callable[[str, list[str]], None]) -> None:
        self._store = store
        self._worker = worker
        self._heard = heard
        self._unsaid: dict[str, list[str]] = {}
        self._due = asyncio.Event()
        self._background: Background | None = None

    def start(self, clock: Clock, work: Work) -> None:
        """Tell the askers from now on, in the background."""
        self._background = Background(clock, work)
        self._background.hold(
            "acknowledge",
            self._send_for_ever,
            every_seconds=0,
            within_seconds=_SEND_SECONDS,
            remedy="receipts wait for this worker's patience instead of its word; look for what it could not send",
        )

    def note(self, entry: Entry) -> None:
        """The entry has been applied; its asker is told after this loop turn."""
        if entry.reply_to == "-":
            return
        self._unsaid.setdefault(entry.reply_to, []).append(entry.revocation_id)
        self._due.set()

    async def close(self) -> None:
        """Say no more."""
        if self._background is not None:
            await self._background.close()

    async def _send_for_ever(self, turns: Turns) -> None:
        while True:
            turns.idle()
            await self._due.wait()
            turns.begin()
            self._due.clear()
            await self._send()
            turns.done()

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
