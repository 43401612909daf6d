"""Records that a sender could not send: which of them are at fault themselves, and when each is tried again.

A sink that refuses says why in words that only people understand. So what it does with the others tells: a record that
it refuses in a turn in which it takes another one is at fault itself, and held up. If it takes none, it is away as far
as we know; the turn ends after a few refusals, and the next one begins with records that were not refused yet.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final, TypeVar

from .. import logs, metrics
from ..clock import Clock
from .clickhouse import SinkRefusedError
from .setbacks import Setbacks

#: As many refusals in a turn that has taken nothing end it.
REFUSALS: Final = 3

T = TypeVar("T")

_log: Final = logs.get("shipping")


class Unsent:
    """The setbacks of one sender's records, by id.

    `failed` hears of each attempt that failed by its record's own fault; `clear` in each turn that begins without any,
    and when the last one has gone.
    """

    def __init__(self, clock: Clock, failed: Callable[[Exception], object], clear: Callable[[], object]) -> None:
        self._failed = failed
        self._clear = clear
        self._setbacks = Setbacks(clock)
        #: Refused, or broken off, in turns in which nothing was taken.
        self._suspects: set[str] = set()
        self._refused: dict[str, SinkRefusedError] = {}
        self._has_taken = False
        self._first: set[str] = set()

    def __len__(self) -> int:
        return len(self._setbacks)

    def begin(self, first: Collection[str], names: Collection[str]) -> None:
        """A turn begins in which these wait; `first` are those among them that wait for no other."""
        self._first = set(first)
        self._refused, self._has_taken = {}, False
        self._suspects &= self._first
        self._setbacks.keep(names)
        self._publish()

    def in_order(self, waiting: Iterable[T], name_of: Callable[[T], str]) -> list[T]:
        """Those that are no suspects come first; else as they stand."""
        return sorted(waiting, key=lambda one: name_of(one) in self._suspects)

    def is_due(self, name: str) -> bool:
        """Whether a record may be tried now."""
        return self._setbacks.is_due(name)

    def taken(self, name: str) -> None:
        """The sink has taken a record."""
        self._has_taken = True
        self._suspects.discard(name)
        if self._setbacks.done(name):
            _log.info("record_no_longer_held_up", record=name)
            self._publish()

    def failed(self, name: str, error: Exception) -> None:
        """A record could not be sent, by its own fault."""
        self._suspects.discard(name)
        pause, is_to_name = self._setbacks.hold(name)
        if is_to_name:
            _log.error("record_held_up", record=name, reason=str(error), retry_seconds=pause)
        metrics.SINK_FAILURES.inc()
        self._publish()
        self._failed(error)

    def refused(self, name: str, error: SinkRefusedError) -> None:
        """The sink has refused a record; SinkRefusedError if it has refused several and taken none."""
        if name in self._setbacks:
            self.failed(name, error)
            return
        self._refused[name] = error
        if not self._has_taken and len(self._refused) >= REFUSALS:
            self.end()

    def broken_off(self, name: str) -> None:
        """The sink has gone away over a record, which ends the turn. Perhaps by its fault: next time it is the last."""
        self._settle()
        self._suspect({name})

    def end(self) -> None:
        """A turn ends. SinkRefusedError if the sink has refused something, and taken nothing."""
        for name, error in self._settle().items():
            raise SinkRefusedError(f"record {name}: {error}")

    def _settle(self) -> dict[str, SinkRefusedError]:
        """Hold up what was refused if the sink has taken anything; else give it, as suspect."""
        refused, self._refused = self._refused, {}
        if not self._has_taken:
            self._suspect(set(refused))
            return refused
        for name, error in refused.items():
            self.failed(name, error)
        return {}

    def _suspect(self, names: set[str]) -> None:
        self._suspects |= names
        if self._suspects >= {name for name in self._first if self._setbacks.is_due(name)}:
            # All were tried: from the beginning again, but these last.
            self._suspects = names

    def _publish(self) -> None:
        metrics.SINK_HELD_UP.set(len(self._setbacks))
        if not self._setbacks:
            self._clear()
