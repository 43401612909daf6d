"""Segments that cannot be shipped are tried again later and later, and hold up no other."""

from pathlib import Path

import pytest
import structlog

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.held_up import LONGEST_DISK_PAUSE_SECONDS, HeldUp
from latchstring_gateway.shipping.setbacks import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS


def _pause(held_up: HeldUp, clock: ManualClock, name: str) -> int:
    """Seconds until the segment may be tried again."""
    seconds = 0
    while not held_up.is_due(name):
        clock.advance(1)
        seconds += 1
    return seconds


@pytest.mark.parametrize(
    ("error", "longest"), [(KeyError("x"), LONGEST_PAUSE_SECONDS), (OSError("full"), LONGEST_DISK_PAUSE_SECONDS)]
)
def test_the_pause_doubles_up_to_a_longest(tmp_path: Path, error: Exception, longest: float) -> None:
    """A full disk is tried again sooner than a segment that is a riddle."""
    clock = ManualClock()
    held_up = HeldUp(clock, tmp_path / "trying")
    pauses = []

    for _ in range(10):
        held_up.failed("a", error)
        pauses.append(_pause(held_up, clock, "a"))

    assert pauses[:3] == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 4 * FIRST_PAUSE_SECONDS]
    assert pauses[-1] == max(pauses) == longest
    assert held_up.is_due("b")


def test_each_is_named_once_and_not_more_than_ten(tmp_path: Path) -> None:
    """A full disk made a traceback for each segment and try: 199 in three minutes."""
    held_up = HeldUp(ManualClock(), tmp_path / "trying")

    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            for number in range(50):
                held_up.failed(f"segment-{number}", OSError("no space left"))

    assert len(lines) == 10
    assert len({line["segment"] for line in lines}) == 10
    assert len(held_up) == 50


def test_what_is_shipped_or_gone_is_held_up_no_more(tmp_path: Path) -> None:
    """By whoever shipped it."""
    held_up = HeldUp(ManualClock(), tmp_path / "trying")
    for name in ("a", "b", "c"):
        held_up.failed(name, KeyError())

    held_up.shipped("a")
    held_up.keep(["c", "d"])

    assert len(held_up) == 1
    assert held_up.is_due("a")
    assert held_up.is_due("b")


def test_a_segment_that_ended_the_shipper_lets_the_others_go_first(tmp_path: Path) -> None:
    """It was the oldest, so that each next shipper began with it, and died of it."""
    clock, trying = ManualClock(), tmp_path / "trying"
    pauses = []
    for _ in range(3):
        held_up = HeldUp(clock, trying)
        assert held_up.is_due("other")
        held_up.begin("other")
        held_up.end()
        pauses.append(_pause(held_up, clock, "deadly"))
        held_up.begin("deadly")

    assert pauses == [0, FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS]


def test_a_record_of_the_last_try_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    """It is a hint, not more."""
    (tmp_path / "trying").write_bytes(b"\xff half")

    assert len(HeldUp(ManualClock(), tmp_path / "trying")) == 0
