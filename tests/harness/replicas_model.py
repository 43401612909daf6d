"""A model of confirmations and fail-overs: one write, its primary, replicas, and a Sentinel that promotes any of them.

It shows how many replicas must confirm a write so that no fail-over can lose it. The servers are named 0, 1, 2, …; a
server that follows another one has whatever that one sends it, and starts anew from the other's data when it changes
sides. Read with docs/revocation.md, "With replicas"; the code it models is `store/client.py:Store._send_confirmed`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Servers(NamedTuple):
    """Everything at one instant. `follows[n]` is whom server n follows, itself if it is a primary."""

    has: tuple[bool, ...]
    follows: tuple[int, ...]
    #: Whom the Sentinels name.
    primary: int = 0
    written: bool = False
    #: Who has told server 0 that it has the write.
    told: frozenset[int] = frozenset()
    confirmed: bool = False
    fail_overs: int = 0


@dataclass(frozen=True, slots=True)
class ReplicasModel:
    """`replicas` servers beside the first, `confirm` of which must have a write; at most `fail_overs` fail-overs.

    `coordinated`: the primary stops taking writes and hands over to a replica that has everything (Valkey 9).
    """

    replicas: int = 2
    confirm: int = 2
    fail_overs: int = 2
    coordinated: bool = False

    def start(self) -> Servers:
        """All follow server 0, and nothing is written."""
        count = self.replicas + 1
        return Servers((False,) * count, (0,) * count)

    def successors(self, s: Servers) -> Iterator[tuple[str, Servers]]:
        """Everything that can happen next, in any order and as late as can be."""
        if not s.written and s.primary == 0:
            yield "the write is taken by the primary", s._replace(written=True, has=_with(s.has, 0, value=True))
        for one, of in enumerate(s.follows):
            if one != of and s.has[of] and not s.has[one]:
                yield f"replica {one} receives it", s._replace(has=_with(s.has, one, value=True))
            if one != of == 0 and s.has[one] and one not in s.told:
                yield f"replica {one} says that it has it", s._replace(told=s.told | {one})
        if s.written and not s.confirmed and len(s.told) >= self.confirm:
            yield "the write is confirmed", s._replace(confirmed=True)
        yield from self._promoted(s)
        for one, of in enumerate(s.follows):
            if of != s.primary and one != s.primary:
                # Its own history is thrown away for the new primary's.
                joined = s._replace(follows=_with(s.follows, one, value=s.primary))
                yield (
                    f"server {one} follows the new primary",
                    joined._replace(has=_with(s.has, one, value=s.has[s.primary])),
                )

    def _promoted(self, s: Servers) -> Iterator[tuple[str, Servers]]:
        if s.fail_overs >= self.fail_overs:
            return
        for one, of in enumerate(s.follows):
            is_in_step = s.has[one] or not s.has[s.primary]
            if one != of == s.primary and (is_in_step or not self.coordinated):
                promoted = s._replace(follows=_with(s.follows, one, value=one), primary=one)
                if self.coordinated and s.primary == 0:
                    # The former primary takes no write any more.
                    promoted = promoted._replace(written=True)
                yield f"replica {one} is promoted", promoted._replace(fail_overs=s.fail_overs + 1)

    @staticmethod
    def is_bad(s: Servers) -> bool:
        """Whoever is the primary now has not what was confirmed."""
        return s.confirmed and not s.has[s.primary]


def _with(of: tuple, index: int, *, value: object) -> tuple:  # type: ignore[type-arg]
    return (*of[:index], value, *of[index + 1 :])
