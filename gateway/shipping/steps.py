"""One step of a loop that has several: taken when it is due; what it raises is its own, and no other step's."""

from collections.abc import Callable

from ..background import Turns
from ..clock import Clock


class Step:
    """Calls `act` at most every so many seconds, later after failures; used by one thread."""

    def __init__(self, turns: Turns, act: Callable[[], object], clock: Clock, *, every_seconds: float = 0) -> None:
        self._turns = turns
        self._act = act
        self._clock = clock
        self._every_ns = round(every_seconds * 1e9)
        self._due_ns = 0

    def turn(self) -> bool:
        """Take the step if it is due; never raises. True if `act` says that it has done something."""
        now_ns = self._clock.boot_ns()
        if now_ns < self._due_ns:
            return False
        try:
            found = bool(self._act())
        except Exception as fault:
            self._due_ns = self._clock.boot_ns() + round(self._turns.failed(fault) * 1e9)
            return False
        self._due_ns = now_ns + self._every_ns
        self._turns.done()
        return found
