"""A revocation before its judge: what was appended, who was registered after that, and how time goes on. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from . import receipt
from .filed import Appended
from .receipt import Receipt, Registered
from .registry import RollCall


@dataclass(frozen=True, slots=True)
class Case:
    """One revocation. All times but those in `_ns` are by the clock of the server with the registry."""

    receipt_id: str
    entries: Sequence[Appended]
    roll: RollCall
    #: When the registry was read, and when the act began (boot time).
    answered_ns: int
    started_ns: int
    #: Everybody there, with what their pulses are worth here.
    workers: tuple[Registered, ...]
    settled_ms: int
    not_before_ms: int

    @property
    def names(self) -> frozenset[str]:
        """Whom the barrier waits for."""
        return frozenset(one.worker for one in self.workers)

    def now_ms(self, boot_ns: int) -> int:
        """The time of the registry's server."""
        return self.roll.now_ms + (boot_ns - self.answered_ns) // 1_000_000

    def judge(self, applied: frozenset[str], boot_ns: int, *, durable: bool) -> Receipt:
        """The receipt at this moment."""
        return receipt.write(
            self.receipt_id,
            at_ms=self.roll.now_ms,
            now_ms=self.now_ms(boot_ns),
            elapsed_ms=(boot_ns - self.started_ns) / 1e6,
            durable=durable,
            workers=self.workers,
            applied=applied,
            settled_ms=self.settled_ms,
            not_before_ms=self.not_before_ms,
        )
