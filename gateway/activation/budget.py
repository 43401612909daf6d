"""Budgets of attempts: how many one account, one network or all may make in a while; fewer, the more codes wait.

Whoever guesses hits one of N waiting codes of `space` with a chance of N / space. A budget keeps the chance of a hit in
its window below `chance`, between `least` (a person mistypes) and `most`.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ..store import keys
from ..store.client import Store
from ..store.scripts import load

_SPEND = load(Path(__file__).parent / "spend.lua", keys=("budget",), args=("by", "allowed", "window_ms"))
WINDOW_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Budget:
    """How many attempts a window allows. `name` keeps the counts of different budgets apart."""

    name: str
    least: int
    most: int
    chance: float = 1.0

    def allowed(self, *, waiting: int, space: int) -> int:
        """The attempts of one window while so many codes of so many possible ones wait."""
        return max(self.least, min(self.most, int(self.chance * space / max(waiting, 1))))


#: Wrong codes of one account, of one network (a house, or a street of an Internet provider), and of everybody.
OF_ACCOUNT: Final = Budget("account", least=5, most=10, chance=1e-6)
OF_NETWORK: Final = Budget("network", least=10, most=40, chance=1e-5)
OF_ALL: Final = Budget("all", least=200, most=20_000, chance=1e-3)
#: New codes of one network: a hotel's TVs wake up together.
OFFERS: Final = Budget("offers", least=300, most=300)


class Budgets:
    """Counts attempts in the store, so all workers share them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def spend(self, budget: Budget, whose: str, allowed: int) -> int:
        """Take one attempt; 0, or the seconds until there are some again. Raises StoreAway."""
        status, wait_ms = await self._call(budget, whose, by=1, allowed=allowed)
        return 0 if status == "ok" else max(1, -(-int(wait_ms) // 1000))

    async def give_back(self, budget: Budget, whose: str) -> None:
        """Return an attempt that was no wrong one. Raises StoreAway."""
        await self._call(budget, whose, by=-1, allowed=0)

    async def _call(self, budget: Budget, whose: str, *, by: int, allowed: int) -> tuple[str, int]:
        # An account's name and a network are of no use to whoever reads the store's keys.
        digest = sha256(f"{budget.name}:{whose}".encode())
        status, wait_ms = await _SPEND(
            self._store,
            {"budget": keys.budget(digest.digest()[0], digest.hexdigest()[:32])},
            {"by": by, "allowed": allowed, "window_ms": WINDOW_SECONDS * 1000},
        )
        return str(status), int(wait_ms)
