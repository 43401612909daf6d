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
from .fence import MAX_CLOCK_DIFFERENCE_MS

_PULSE = load(
    Path(__file__).parent / "pulse.lua",
    keys=("epoch", "workers", "pulses"),
    args=("worker", "holds_registry", "expected_ms", "clock_tolerance_ms", "known_watched_ms"),
)
#: A store's time further off than this from what its last answer promised means that a clock was set. Answers take up
#: to the two seconds of a store call, and that is no step.
CLOCK_TOLERANCE_MS: Final = 5_000
#: Two servers whose clocks both agree with a worker's may be so far apart; and a step that is none.
_CLOCKS_APART_MS: Final = 2 * MAX_CLOCK_DIFFERENCE_MS + CLOCK_TOLERANCE_MS
_AHEAD_AT_MOST_MS: Final = 86_400_000

_log = logs.get("revocation")


@dataclass(frozen=True, slots=True)
class History:
    """What has happened to a server of the store, by its own clock.

    `born_ms`: its first heartbeat; what is older was never here. `even_since_ms`: its clock is known to have run evenly
    since (a fail-over brings another machine's clock). `losses`: the spans, "from-until", whose writes fail-overs may
    have lost; the last 64.

    `watched_since_ms`: since when heartbeats have watched that clock run, without a gap and without a step, whoever has
    held it. `ahead_until_ms`: how far it had been when it was last put back; 0 if it never was.
    """

    born_ms: int = 0
    even_since_ms: int = 0
    losses: str = ""
    watched_since_ms: int = 0
    ahead_until_ms: int = 0

    def may_lack(self, at_ms: int) -> bool:
        """Whether what was written at this instant may be missing: before this store began, or in a loss."""
        spans = (span.split("-") for span in self.losses.split())
        return at_ms < self.born_ms or any(int(since) <= at_ms <= int(until) for since, until in spans)

    def read_from_ms(self, now_ms: int, keep_ms: int) -> int:
        """From which id on a stream holds everything of the last `keep_ms`; 0, the whole stream, where nobody has
        watched the clock for so long: the last minutes may stand there under any time.
        """
        from_ms = now_ms - keep_ms - _CLOCKS_APART_MS
        return from_ms if from_ms >= self.watched_since_ms else 0

    def ran_evenly_for(self, span_ms: int, now_ms: int) -> bool:
        """Whether the clock has been watched to run evenly for so long."""
        return 0 < self.watched_since_ms <= now_ms - span_ms

    def is_catching_up(self, now_ms: int, lease_max_ms: int) -> bool:
        """Whether the clock was put back, and leases that it gave out before may look young (again).

        At most for a day: the streams hold no more, so what a clock gave out that was further ahead cannot be judged.
        """
        until_ms = min(self.ahead_until_ms, self.watched_since_ms + _AHEAD_AT_MOST_MS)
        return now_ms < until_ms + 2 * lease_max_ms


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

    def expected_ms(self) -> int:
        """The server's time now, if its clock has run evenly since its last answer; 0 if there was none."""
        if self._last is None:
            return 0
        then_ns, then = self._last
        return then.store_ms + (self._clock.boot_ns() - then_ns) // 1_000_000

    async def send(self, *, replicas: int = 0) -> Answer:
        """Raises StoreAway, also for a store that answers and must not be trusted, and TooFewReplicas."""
        sent_ns = self._clock.boot_ns()
        then = None if self._last is None else self._last[1]
        expected_ms = self.expected_ms()
        known, store_ms, run_id, epoch, stamp_ms, lease_max_ms, version, *history = await _PULSE(
            self._store,
            self._keys,
            {
                "worker": self._worker,
                "holds_registry": int(self._holds_registry),
                "expected_ms": expected_ms,
                "clock_tolerance_ms": CLOCK_TOLERANCE_MS,
                "known_watched_ms": 0 if then is None else then.history.watched_since_ms,
            },
            replicas=replicas,
        )
        answer = Answer(bool(known), store_ms, run_id, epoch, stamp_ms, lease_max_ms, version, History(*history))
        if then is not None and epoch == then.epoch and answer.history != then.history:
            _log.warning("store_clock_stepped", store_ms=store_ms, expected_ms=expected_ms)
        self._last = (sent_ns, answer)
        if self._vouch is not None:
            await self._vouch(epoch)
        return answer
