"""Steps of one loop: what one raises is no other's."""

from latchstring_gateway.background import Work
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.steps import Step


def test_a_step_is_taken_when_it_is_due() -> None:
    """It says whether there was something to do."""
    clock, taken = ManualClock(), list[int]()

    def act() -> bool:
        taken.append(1)
        return True

    turns = Work(clock).task("count", within_seconds=60, remedy="")
    step = Step(turns, act, clock, every_seconds=5)

    assert [step.turn(), step.turn()] == [True, False]
    clock.advance(5)
    assert step.turn()
    assert len(taken) == 2


def test_a_step_that_fails_is_tried_again_later_and_is_seen() -> None:
    """It raises nothing, and the next try is not at once."""
    clock, tries = ManualClock(), list[int]()
    work = Work(clock)

    def act() -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("no")
        return True

    step = Step(work.task("odd", within_seconds=60, remedy="mend it"), act, clock)

    assert [step.turn(), step.turn()] == [False, False]
    assert [trouble.task for trouble in work.troubles()] == ["odd"]
    clock.advance(1)
    assert step.turn()
    assert work.troubles() == []
