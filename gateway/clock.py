"""The two clocks: wall time, which may step, and boot time, which never does and also counts suspended seconds.

The only module that reads the machine's clocks; everything else is handed a `Clock`, and tests drive a `ManualClock`.
"""

import time
from functools import partial
from typing import Protocol


class Clock(Protocol):
    """Milliseconds of wall time since the epoch, and nanoseconds of CLOCK_BOOTTIME."""

    def wall_ms(self) -> int:
        """Wall time; may step either way when somebody sets the clock."""
        ...

    def boot_ns(self) -> int:
        """CLOCK_BOOTTIME: steady, shared by all processes of the machine, also counts time in suspend."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def wall_ms(self) -> int:
        """See `Clock.wall_ms`."""
        return time.time_ns() // 1_000_000

    #: See `Clock.boot_ns`. A partial and no method: half the time of a Python call, and every check makes one.
    boot_ns = staticmethod(partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME))


class ManualClock:
    """A clock that moves only when told; for tests and simulations."""

    __slots__ = ("_boot_ns", "_wall_ms")

    def __init__(self, wall_ms: int = 1_800_000_000_000, boot_ns: int = 1_000_000_000) -> None:
        self._wall_ms = wall_ms
        self._boot_ns = boot_ns

    def wall_ms(self) -> int:
        """See `Clock.wall_ms`."""
        return self._wall_ms

    def boot_ns(self) -> int:
        """See `Clock.boot_ns`."""
        return self._boot_ns

    def advance(self, seconds: float) -> None:
        """Let both clocks run on."""
        self._wall_ms += round(seconds * 1_000)
        self._boot_ns += round(seconds * 1_000_000_000)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP would."""
        self._wall_ms += round(seconds * 1_000)
