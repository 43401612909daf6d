"""How a receiver bears up: when it may be sent something, and how much at a time.

A refusal holds back its account alone, later and later. The receiver as a whole is left alone for a while if it cannot
be connected to, if it asks for that (Retry-After), or if it refused several in a row of more than one account; then one
event is tried, each time another account's, so that one bad event cannot speak for all.
"""

import secrets
from typing import Final, Literal, TypeAlias

from ..clock import Clock
from .attempt import Outcome

FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 300.0
#: Refusals in a row, of more than one account, that count against the receiver.
MAX_REFUSALS: Final = 5
#: While it refuses everything, an account that was not tried yet may be tried this often.
FRESH_SECONDS: Final = 5.0
#: Attempts of a hook that are under way at once, each of another account.
WIDTH: Final = 4

Manner: TypeAlias = Literal["any", "one", "fresh", "none"]
State: TypeAlias = Literal["ok", "partly", "failing", "paused"]


class Health:
    """The health of one receiver. Instants are of the boot clock, in nanoseconds."""

    def __init__(self, clock: Clock, first_retry_seconds: float) -> None:
        self._clock = clock
        self._first_retry_seconds = first_retry_seconds
        self._refusals = 0
        self._refused: set[str] = set()
        #: How often in a row the receiver was left alone, until when, and since when it fails (wall time).
        self._rests = 0
        self._rest_until_ns = 0
        self._quiet_until_ns = 0
        self._tried_fresh_ns = 0
        self._blamed: str | None = None
        self.failing_since_ms: int | None = None
        self.last_reason = ""

    @property
    def is_failing(self) -> bool:
        """Whether the receiver as a whole is left alone between attempts."""
        return self.failing_since_ms is not None

    def may_send(self) -> Manner:
        """What may be sent now: any event, one event, one of an account that was not tried yet, or none."""
        now_ns = self._clock.boot_ns()
        if now_ns < self._quiet_until_ns:
            return "none"
        if not self.is_failing:
            return "any"
        if now_ns >= self._rest_until_ns:
            return "one"
        is_due = self._refusals > 0 and now_ns - self._tried_fresh_ns >= FRESH_SECONDS * 1e9
        return "fresh" if is_due else "none"

    def tried(self) -> None:
        """An attempt begins."""
        self._tried_fresh_ns = self._clock.boot_ns()

    def retry_ns(self, failures: int, wait_seconds: float = 0.0) -> int:
        """When an account may be tried again that was refused so often in a row."""
        return self._later(failures, wait_seconds)

    def heard(self, account: str, outcome: Outcome) -> None:
        """Take an outcome into account."""
        if outcome.kind == "delivered":
            self._refusals, self._rests = 0, 0
            self._refused.clear()
            self.failing_since_ms, self.last_reason = None, ""
            return
        self.last_reason = outcome.reason
        if outcome.kind == "unreachable":
            self._rest()
            return
        self._refusals += 1
        self._refused.add(account)
        if outcome.kind == "busy" and self._blamed != account:
            # If the others are taken after the pause, it was this account's event, and the next one is its own.
            self._blamed = account
            self._quiet_until_ns = self._clock.boot_ns() + round(outcome.retry_after_seconds * 1e9)
        if self.is_failing or (self._refusals >= MAX_REFUSALS and len(self._refused) > 1):
            self._rest()

    def _rest(self) -> None:
        if self.failing_since_ms is None:
            self.failing_since_ms = self._clock.wall_ms()
        self._rests += 1
        self._rest_until_ns = self._later(self._rests, 0.0)

    def _later(self, times: int, wait_seconds: float) -> int:
        wait = min(self._first_retry_seconds * 2.0 ** min(times - 1, 30), LONGEST_RETRY_SECONDS)
        jitter = 0.5 + secrets.randbelow(1_000) / 1_000
        return self._clock.boot_ns() + round(max(wait * jitter, wait_seconds) * 1e9)
