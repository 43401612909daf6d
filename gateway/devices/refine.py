"""The second look at a device: better kind, brand and model for its card, found in the background, never waited for."""

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

from ..background import Turns
from ..errors import StoreAway
from ..ids import Account
from ..metrics import RECOGNITIONS
from ..recognition.describe import Description, describe
from ..recognition.second_look import SecondLook
from ..store import keys
from ..store.client import Store
from ..store.scripts import load

_REFINE = load(Path(__file__).parent / "refine.lua", keys=("device",), args=("account", "kind", "model", "label"))

#: Devices that wait for their second look; more are given up, and seen again when they sign in the next time.
MAX_WAITING: Final = 1_000
#: Devices of which is remembered that they were looked at; then all are forgotten, which costs a script for each.
_MAX_SEEN: Final = 65_536
#: How long the detector's process is kept without a question.
_IDLE_SECONDS: Final = 60.0


class _Seen(NamedTuple):
    account: Account
    device: str
    agent: str


class Refiner:
    """Looks again at devices that signed in or came back; not without `look`. `run` is an endless background task."""

    def __init__(self, store: Store, look: SecondLook | None, *, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._store = store
        self._look = look
        self._idle_seconds = idle_seconds
        self._waiting: asyncio.Queue[_Seen] = asyncio.Queue(MAX_WAITING)
        #: Of the agents only their hashes: each may be as long as a request allows.
        self._seen: dict[str, int] = {}

    def seen(self, account: Account, device: str, agent: str) -> None:
        """Note that a device showed an agent; returns at once, and gives up where too many wait."""
        if self._look is None or not agent or self._seen.get(device) == hash(agent):
            return
        try:
            self._waiting.put_nowait(_Seen(account, device, agent))
        except asyncio.QueueFull:
            RECOGNITIONS.labels("given_up").inc()
            return
        if len(self._seen) >= _MAX_SEEN:
            self._seen.clear()
        self._seen[device] = hash(agent)

    @property
    def is_wanted(self) -> bool:
        """Whether there is anything to run for."""
        return self._look is not None

    async def run(self, turns: Turns) -> None:
        """Look at one after the other until cancelled; then the detector's process is gone."""
        look = self._look
        if look is None:
            return
        try:
            while True:
                turns.idle()
                try:
                    async with asyncio.timeout(self._idle_seconds):
                        seen = await self._waiting.get()
                except TimeoutError:
                    await look.close()
                    continue
                turns.begin()
                RECOGNITIONS.labels(await self._refine(seen, look)).inc()
                turns.done()
        finally:
            await look.close()

    async def _refine(self, seen: _Seen, look: SecondLook) -> str:
        found = await look.describe(seen.agent)
        if found is None:
            return "failed"
        if found == describe(seen.agent):
            return "same"
        try:
            return await self._write(seen, found)
        except StoreAway:
            self._seen.pop(seen.device, None)
            return "failed"

    async def _write(self, seen: _Seen, found: Description) -> str:
        row = keys.device(keys.partition_of(seen.account), seen.device)
        words = {"account": seen.account, "kind": found.kind, "model": found.make, "label": found.label}
        return str(await _REFINE(self._store, {"device": row}, words))
