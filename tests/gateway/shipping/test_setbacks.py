"""What failed is tried again later and later, each by itself."""

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.setbacks import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Setbacks


def test_pauses_double_for_each_by_itself_up_to_the_longest() -> None:
    """One that fails often does not make another wait."""
    clock = ManualClock()
    setbacks = Setbacks(clock)

    pauses = [setbacks.hold("often")[0] for _ in range(30)]
    once, _ = setbacks.hold("once")

    assert pauses[:3] == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 4 * FIRST_PAUSE_SECONDS]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert once == FIRST_PAUSE_SECONDS
    clock.advance(FIRST_PAUSE_SECONDS)
    assert setbacks.is_due("once")
    assert not setbacks.is_due("often")
    assert setbacks.is_due("never failed")


def test_ten_are_named_each_once_until_none_is_left() -> None:
    """A log that names a thousand names nothing."""
    setbacks = Setbacks(ManualClock())

    named = [setbacks.hold(str(number))[1] for number in range(12)]
    again = [setbacks.hold(str(number))[1] for number in range(12)]
    assert (named, any(again)) == ([True] * 10 + [False] * 2, False)
    assert setbacks.done("11")
    assert not setbacks.done("11")
    assert setbacks.keep({"0"})
    assert len(setbacks) == 1
    assert "0" in setbacks
    setbacks.done("0")

    assert setbacks.hold("0") == (FIRST_PAUSE_SECONDS, True)
