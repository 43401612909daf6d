"""What failed and is tried again: each by its name, after a pause of its own that doubles from failure to failure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from ..clock import Clock

#: The pause after a failure, doubled with each one that follows.
FIRST_PAUSE_SECONDS: Final = 5.0
#: The longest pause.
LONGEST_PAUSE_SECONDS: Final = 900.0
#: So many are named in the log until none is left; all are counted.
_MAX_NAMED: Final = 10


@dataclass(slots=True)
class _Setback:
    failures: int
    due_ns: int


class Setbacks:
    """The things that failed, by name; used by one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._all: dict[str, _Setback] = {}
        self._named: set[str] = set()

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, name: str) -> bool:
        return name in self._all

    def is_due(self, name: str) -> bool:
        """Whether it may be tried now."""
        setback = self._all.get(name)
        return setback is None or self._clock.boot_ns() >= setback.due_ns

    def hold(
        self, name: str, *, failures: int | None = None, longest_seconds: float = LONGEST_PAUSE_SECONDS
    ) -> tuple[float, bool]:
        """It failed, once more or `failures` times by now; gives the pause in seconds, and whether to name it now."""
        if failures is None:
            before = self._all.get(name)
            failures = 1 if before is None else before.failures + 1
        pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 20), longest_seconds)
        self._all[name] = _Setback(failures, self._clock.boot_ns() + round(pause * 1e9))
        is_to_name = name not in self._named and len(self._named) < _MAX_NAMED
        if is_to_name:
            self._named.add(name)
        return pause, is_to_name

    def done(self, name: str) -> bool:
        """It has worked; True if it had failed before."""
        was_held = self._all.pop(name, None) is not None
        self._forget_names()
        return was_held

    def keep(self, names: Collection[str]) -> bool:
        """Forget all but these; True if any was forgotten."""
        gone = self._all.keys() - set(names)
        for name in gone:
            del self._all[name]
        self._forget_names()
        return bool(gone)

    def _forget_names(self) -> None:
        if not self._all:
            self._named.clear()
