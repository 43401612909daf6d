"""Which records are at fault themselves, as far as a sender can tell."""

import contextlib
from collections.abc import Collection

from latchstring_gateway.clock import ManualClock
from latchstring_gateway.shipping.clickhouse import SinkRefusedError
from latchstring_gateway.shipping.unsent import REFUSALS, Unsent


class _World:
    """A sink that refuses some records by name, or breaks off over them, and a sender's turns."""

    def __init__(self, *, refuses: Collection[str] = (), breaks_off: Collection[str] = ()) -> None:
        self.clock = ManualClock()
        self.failures, self.clear = 0, 0
        self.unsent = Unsent(self.clock, self._fail, self._is_clear)
        self.sent = list[str]()
        self.refuses = refuses
        self.breaks_off = breaks_off

    def _fail(self, _error: Exception) -> None:
        self.failures += 1

    def _is_clear(self) -> None:
        self.clear += 1

    def turn(self, waiting: str) -> str:
        """One turn of a sender, half a second after the one before; gives what waits after it, a letter each."""
        self.clock.advance(0.5)
        self.unsent.begin(waiting, waiting)
        left = list(waiting)
        with contextlib.suppress(SinkRefusedError):
            for name in filter(self.unsent.is_due, self.unsent.in_order(waiting, str)):
                if name in self.breaks_off:
                    self.unsent.broken_off(name)
                    return "".join(left)
                if name in self.refuses:
                    self.unsent.refused(name, SinkRefusedError("no"))
                else:
                    self.unsent.taken(name)
                    left.remove(name)
            self.unsent.end()
        return "".join(left)


def test_a_refused_record_is_held_up_once_the_sink_takes_another() -> None:
    """Until then nobody knows whose fault it is."""
    world = _World(refuses="b")

    assert world.turn("b") == "b"
    assert (world.failures, len(world.unsent)) == (0, 0)
    assert world.turn("bc") == "b"
    assert (world.failures, len(world.unsent)) == (1, 1)

    world.clock.advance(5)
    assert world.turn("b") == "b"
    assert (world.failures, len(world.unsent)) == (2, 1)
    world.refuses = ""
    world.clock.advance(10)
    assert world.turn("b") == ""
    assert len(world.unsent) == 0


def test_a_sink_that_refuses_everything_is_asked_a_few_times_a_turn_and_holds_nothing_up() -> None:
    """When it takes again, it gets everything at once."""
    world = _World(refuses="abcdefgh")

    for _ in range(20):
        assert world.turn("abcdefgh") == "abcdefgh"
    assert (world.failures, world.clear) == (0, 20)
    world.refuses = ""

    assert world.turn("abcdefgh") == ""


def test_however_many_are_refused_in_front_what_is_behind_is_sent() -> None:
    """Each turn without success begins with others, also after an outage that made all suspect."""
    bad, everything = "abcdefghij", "abcdefghijk"
    for outage in range(12):
        world = _World(refuses=everything)
        for _ in range(outage):
            world.turn(everything)
        world.refuses = bad
        waiting, turns = everything, 0
        while "k" in waiting:
            waiting = world.turn(waiting)
            turns += 1
        assert turns <= 2 * len(everything) // REFUSALS, outage


def test_a_record_over_which_the_sink_breaks_off_is_the_last_of_the_next_turn() -> None:
    """Such as one that it runs out of memory over: all others go first."""
    world = _World(breaks_off="a")

    assert world.turn("abc") == "abc"
    assert world.turn("abc") == "a"
    assert world.turn("ade") == "a"


def test_what_is_gone_is_held_up_no_more() -> None:
    """Sent by somebody else, or expired."""
    world = _World(refuses="a")
    world.turn("ab")
    assert len(world.unsent) == 1

    world.turn("")

    assert len(world.unsent) == 0
