"""Exhaustive search: every state that a model can reach, breadth first, so that a counter-example is a shortest one."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Explored:
    """What a search found: sizes, and the steps to the first bad state, if there is one."""

    states: int
    transitions: int
    counter_example: tuple[str, ...] | None


def explore(
    starts: Mapping[str, S], successors: Callable[[S], Iterable[tuple[str, S]]], is_bad: Callable[[S], bool]
) -> Explored:
    """Visit every state that can be reached from `starts`, which are called by name, up to the first bad one."""
    came_by: dict[S, tuple[str, S | None]] = {start: (name, None) for name, start in starts.items()}
    frontier = deque(came_by)
    transitions = 0
    while frontier:
        state = frontier.popleft()
        for label, after in successors(state):
            transitions += 1
            if after in came_by:
                continue
            came_by[after] = (label, state)
            if is_bad(after):
                return Explored(len(came_by), transitions, _steps(came_by, after))
            frontier.append(after)
    return Explored(len(came_by), transitions, None)


def _steps(came_by: Mapping[S, tuple[str, S | None]], last: S) -> tuple[str, ...]:
    steps: list[str] = []
    state: S | None = last
    while state is not None:
        label, state = came_by[state]
        steps.append(label)
    return tuple(reversed(steps))
