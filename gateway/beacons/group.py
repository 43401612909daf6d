"""The records of one turn of the event loop: written together, answered together, kept in memory until synced."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from .. import logs

Done: TypeAlias = Callable[[bool], object]
#: What became of a hit: answered 2xx if it was "kept", 503 for the reason named otherwise (docs/metrics.md).
Outcome: TypeAlias = Literal[
    "kept", "backlog_full", "disk_low", "unwritable", "write_failed", "sync_late", "sync_failed", "closed"
]

_log: Final = logs.get("beacons")


@dataclass(slots=True, eq=False)
class Group:
    """Payloads with consecutive numbers, and whom to tell; `dones` is empty once they have been told."""

    number: int
    payloads: list[bytes]
    dones: list[Done]
    written_ns: int = 0

    def answer(self, outcome: Outcome, counts: Counter[Outcome]) -> None:
        """Tell everyone, once, and count them; one who fails to listen does not keep the others from hearing it."""
        dones, self.dones = self.dones, []
        counts[outcome] += len(dones)
        kept = outcome == "kept"
        for done in dones:
            try:
                done(kept)
            except Exception:
                _log.exception("journal_callback_failed")
