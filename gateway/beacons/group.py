"""The records of one turn of the event loop: written together, answered together, kept in memory until synced."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from .. import logs

Done: TypeAlias = Callable[[bool], object]

_log: Final = logs.get("beacons")


@dataclass(slots=True, eq=False)
class Group:
    """Payloads with consecutive numbers, and whom to tell; `dones` is empty once they have been told."""

    number: int
    payloads: list[bytes]
    dones: list[Done]
    written_ns: int = 0

    def answer(self, *, kept: bool) -> None:
        """Tell everyone, once; one who fails to listen does not keep the others from hearing it."""
        dones, self.dones = self.dones, []
        for done in dones:
            try:
                done(kept)
            except Exception:
                _log.exception("journal_callback_failed")
