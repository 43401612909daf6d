"""The writing half of a heartbeat, and what it tells of the store: epoch, age, clock, and what it may have lost."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .. import logs
from ..clock import Clock
from ..store import keys
from ..store.client import Store
from ..store.scripts import load

_PULSE = load(
    Path(__file__).parent / "pulse.lua",
    keys=("epoch", "workers", "pulses"),
    args=("worker", "holds_registry", "expected_ms", "clock_tolerance_ms"),
)
#: A store's time further off than this from what its last answer promised means that a clock was set. Answers take up
#: to the two seconds of a store call, and that is no step.
CLOCK_TOLERANCE_MS: Final = 5_000

_log = logs.get("revocation")


@dataclass(frozen=True, slots=True)
class History:
    """What has happened to a server of the store, by its own clock.

    `born_ms`: its first heartbeat; what is older was never here. `even_since_ms`: its clock is known to have run evenly
    since (a fail-over brings another machine's clock). `losses`: the spans, "from-until", whose writes fail-overs may
    have lost; the last 64.
    """

    born_ms: int = 0
    even_since_ms: int = 0
    losses: str = ""

    def may_lack(self, at_ms: int) -> bool:
        """Whether what was written at this instant may be missing: before this store began, or in a loss."""
        spans = (span.split("-") for span in self.losses.split())
        return at_ms < self.born_ms or any(int(since) <= at_ms <= int(until) for since, until in spans)


@dataclass(frozen=True, slots=True)
class Answer:
    """`known`: the worker's row is there. `stamp_ms`: when the epoch was found to have begun; 0 for the very first.

    `registry_version` grows whenever a row came, went or changed.
    """

    known: bool
    store_ms: int
    run_id: str
    epoch: int
    stamp_ms: int
    lease_max_ms: int
    registry_version: int
    history: History


class Pulse:
    """Sends a worker's pulses to the server whose lowest partition is `lowest`.

    Each goes with the time that is expected there by the worker's own steady clock.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        worker: str,
        vouch: Callable[[int], Awaitable[None]] | None = None,
        *,
        lowest: int = 0,
    ) -> None:
        self._store = store
        self._clock = clock
        self._worker = worker
        self._vouch = vouch
        self._holds_registry = lowest == 0
        self._keys = {
            "epoch": keys.DEPLOYMENT if self._holds_registry else keys.home(lowest),
            "workers": f"{keys.prefix(lowest)}workers",
            "pulses": f"{keys.prefix(lowest)}pulses",
        }
        self._last: tuple[int, Answer] | None = None

    async def send(self, *, replicas: int = 0) -> Answer:
        """Raises StoreAway, also for a store that answers and must not be trusted, and TooFewReplicas."""
        sent_ns = self._clock.boot_ns()
        expected_ms = 0
        if self._last is not None:
            then_ns, then = self._last
            expected_ms = then.store_ms + (sent_ns - then_ns) // 1_000_000
        known, store_ms, run_id, epoch, stamp_ms, lease_max_ms, version, *history = await _PULSE(
            self._store,
            self._keys,
            {
                "worker": self._worker,
                "holds_registry": int(self._holds_registry),
                "expected_ms": expected_ms,
                "clock_tolerance_ms": CLOCK_TOLERANCE_MS,
            },
            replicas=replicas,
        )
        answer = Answer(bool(known), store_ms, run_id, epoch, stamp_ms, lease_max_ms, version, History(*history))
        if self._last is not None and epoch == then.epoch and answer.history != then.history:
            _log.warning("store_clock_stepped", store_ms=store_ms, expected_ms=expected_ms)
        self._last = (sent_ns, answer)
        if self._vouch is not None:
            await self._vouch(epoch)
        return answer
