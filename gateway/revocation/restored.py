"""Noticing a store that was put back from a backup: it knows less than its workers and its tokens do.

What was revoked after the backup would be good again, so nobody trusts such a store until the operator has spoken
(`latchstring store restored`). Evidence is a time at which the store was certainly there, though it remembers nothing
of it: this node's own memory, in a file that outlives its workers, or a validly signed token. Where the whole data
directory was put back, and the memory with it, that file says so itself (birthmark.py).
"""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .. import logs
from ..errors import StoreAway
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from . import birthmark

_EXAMINE = load(Path(__file__).parent / "examine.lua", keys=("deployment",), args=("seen_ms", "copied"))
#: The span of a loss begins this long before the store's last memory, and a fail-over may lose as much again.
LOSS_WINDOW_MS: Final = 5_000
#: For how long a store may have served before a heartbeat found it: one of the longest, and its time limits.
UNHEARD_MS: Final = 10_000
CODE: Final = "store_restored"
REMEDY: Final = "run `latchstring store restored` (docs/restoring.md)"

_log = logs.get("revocation")


class StoreRestored(StoreAway):
    """The store answers, and must not be believed."""

    def __init__(self) -> None:
        super().__init__("the store was put back from a backup, and nobody has said what to do", code=CODE)


@dataclass(frozen=True, slots=True)
class Finding:
    """`restored`: somebody has found out. `gaps`: from its last memory before each start, to that start, in ms.

    `by`: what gave it away first, "directory" (it is a copy, of whatever age), or "time": it certainly lacks something.
    """

    restored: bool
    gaps: tuple[tuple[int, int], ...]
    dealt_with_ms: int
    by: str = ""

    def is_contradicted_by(self, at_ms: int) -> bool:
        """Whether the store was there at this time although it remembers nothing of it."""
        return at_ms > self.dealt_with_ms and any(
            last_ms + LOSS_WINDOW_MS < at_ms < started_ms - UNHEARD_MS for last_ms, started_ms in self.gaps
        )


async def examine(store: Store, *, seen_ms: int, copied: bool = False) -> Finding:
    """Look at the store, and note in it that it was restored if `seen_ms` proves so, or if its directory was `copied`
    since it ran last. Raises StoreAway.
    """
    restored_ms, losses, dealt_with_ms, by = await _EXAMINE(
        store, {"deployment": keys.DEPLOYMENT}, {"seen_ms": seen_ms, "copied": int(copied)}
    )
    spans = [span.split("-") for span in losses.split()]
    gaps = tuple((int(since) + LOSS_WINDOW_MS, int(until)) for since, until in spans)
    return Finding(bool(restored_ms), gaps, dealt_with_ms, by)


class Memory:
    """When this node last saw the store well, by the store's clock; kept in `path` for the workers to come.

    `found` says whether the store is known to have been put back, as of the last examination. With `owns_store` it lies
    beside the store's own files, and a copy of `path` is a copy of the store.
    """

    def __init__(self, store: Store, path: Path, *, owns_store: bool = False) -> None:
        self.found = False
        self._evidence_ms = 0
        self._told = False
        self._vouched_epoch = 0
        self._store = store
        self._path = path
        self._owns_store = owns_store
        remembered = birthmark.read(path)
        self._seen_ms = 0 if remembered is None else remembered.seen_ms
        #: `serve` makes the file before the store is first started, so where it is missing the store's files were put
        #: into another directory.
        self._is_copy = owns_store and (remembered is None or remembered.is_copy)
        self._finding = Finding(restored=False, gaps=(), dealt_with_ms=0)

    def remember(self, store_ms: int) -> None:
        """The store was well at this time. Never goes back; writes a file, without waiting for the disk."""
        if self.found or store_ms <= self._seen_ms:
            return
        self._seen_ms = store_ms
        self._write()

    def contradicts(self, issued_at_ms: int) -> bool:
        """Whether a validly signed token of this time proves that the store has forgotten; heartbeats then say so."""
        proof = self._finding.is_contradicted_by(issued_at_ms)
        if proof:
            # The next heartbeat looks again, and notes it for all.
            self.found, self._evidence_ms = True, issued_at_ms
        return proof

    async def keep_watch(self, seen_ms: int) -> None:
        """Once a second: the store was well at `seen_ms` (0: it was not), and did anybody find out otherwise?"""
        # In a thread: a slow disk must hold up no check.
        await asyncio.to_thread(self.remember, seen_ms)
        with contextlib.suppress(StoreAway):
            # If somebody did, this worker's heartbeats fail from now on too.
            await self.examine()

    async def vouch(self, epoch: int) -> None:
        """Examine the store again if this epoch is new or something was found. Raises as `examine` does."""
        if epoch != self._vouched_epoch or self.found:
            await self.examine()
            self._vouched_epoch = epoch

    async def examine(self) -> None:
        """Raises StoreRestored if the store was put back, as somebody has found out; StoreAway."""
        finding = await examine(self._store, seen_ms=self._evidence_ms or self._seen_ms, copied=self._is_copy)
        if self._is_copy:
            # The store itself knows now, on its disk: at the next start this directory is an original again.
            self._is_copy = False
            await asyncio.to_thread(self._write)
        # A token may have spoken while the store was asked.
        self._finding, self.found = finding, finding.restored or finding.is_contradicted_by(self._evidence_ms)
        if self.found != self._told:
            self._told = self.found
            if self.found:
                _log.error(CODE, seen_ms=self._seen_ms, by=finding.by or "time", remedy=REMEDY)
            else:
                _log.info("store_trusted_again")
        if self.found:
            raise StoreRestored

    def _write(self) -> None:
        # All workers of a node write the same file, and one that was frozen must not take it back.
        remembered = birthmark.read(self._path)
        known_ms = 0 if remembered is None else remembered.seen_ms
        birthmark.write(self._path, max(self._seen_ms, known_ms))
