"""Finding the grant that a person typed the code of, within the budgets of wrong guesses, and deciding about it."""

from dataclasses import dataclass
from typing import Final, Literal

from ..devices.place import prefix_of
from ..ids import Account
from ..metrics import ACTIVATIONS
from .budget import OF_ACCOUNT, OF_ALL, OF_NETWORK, Budget, Budgets
from .codes import CodeForm
from .grants import Decision, Grants, Waiting

_EVERYBODY: Final = ""


@dataclass(frozen=True, slots=True)
class Wrong:
    """No grant: the code cannot be read as one, stands for none, or too many wrong ones were tried."""

    reason: Literal["unreadable", "unknown", "spent"]
    wait_seconds: int = 0


class Approvals:
    """What the page asks of grants; every method raises StoreAway."""

    def __init__(self, grants: Grants, budgets: Budgets) -> None:
        self._grants = grants
        self._budgets = budgets

    @property
    def form(self) -> CodeForm:
        """How user codes look."""
        return self._grants.form

    async def find(self, typed: str, account: Account, address: str) -> Waiting | Wrong:
        """The grant behind what was typed.

        The attempt is taken from every budget before anything is looked up, so that no burst of requests gets past
        them, and given back if the code was right.
        """
        code = self.form.read(typed)
        if code is None:
            return Wrong("unreadable")
        waiting, network = await self._grants.waiting(), prefix_of(address)
        budgets: list[tuple[Budget, str]] = [(OF_ACCOUNT, account), (OF_ALL, _EVERYBODY)]
        if network:
            budgets.append((OF_NETWORK, network))
        for at, (budget, whose) in enumerate(budgets):
            allowed = budget.allowed(waiting=waiting, space=self.form.space)
            wait_seconds = await self._budgets.spend(budget, whose, allowed)
            if wait_seconds:
                await self._give_back(budgets[:at])
                ACTIVATIONS.labels("guesses_spent").inc()
                return Wrong("spent", wait_seconds)
        found = await self._grants.find(code)
        if found is None:
            ACTIVATIONS.labels("wrong_code").inc()
            return Wrong("unknown")
        await self._give_back(budgets)
        return found

    async def hold(self, waiting: Waiting, account: Account, *, session: str, authenticated_at_ms: int) -> bool:
        """Keep the decision for this account for a minute, while it gives something up; False if it is too late."""
        held = await self._grants.settle(
            waiting, "held", account, session=session, authenticated_at_ms=authenticated_at_ms
        )
        if not held:
            ACTIVATIONS.labels("too_late").inc()
        return held

    async def settle(
        self, waiting: Waiting, decision: Decision, account: Account, *, session: str, authenticated_at_ms: int
    ) -> bool:
        """See `Grants.settle`."""
        done = await self._grants.settle(
            waiting, decision, account, session=session, authenticated_at_ms=authenticated_at_ms
        )
        ACTIVATIONS.labels(decision if done else "too_late").inc()
        return done

    async def _give_back(self, budgets: list[tuple[Budget, str]]) -> None:
        for budget, whose in budgets:
            await self._budgets.give_back(budget, whose)
