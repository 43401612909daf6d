"""The two clocks of the machine, and the one that tests move."""

import time

from latchstring_gateway.clock import ManualClock, SystemClock


def test_the_system_clock_is_the_machines() -> None:
    """Milliseconds since the epoch, and nanoseconds that never go back."""
    clock = SystemClock()
    first, second = clock.boot_ns(), clock.boot_ns()

    assert abs(clock.wall_ms() - time.time() * 1_000) < 1_000
    assert second >= first
    assert abs(clock.boot_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) < 1_000_000_000


def test_setting_the_wall_clock_leaves_boot_time_alone() -> None:
    """An operator or NTP steps one of them; time passing moves both."""
    clock = ManualClock(wall_ms=1_000, boot_ns=5)

    clock.advance(1.5)
    clock.step_wall(-2)

    assert (clock.wall_ms(), clock.boot_ns()) == (500, 1_500_000_005)
