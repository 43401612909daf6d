"""Deleting what the store holds of an account: sessions, devices, browsers, claims to trials and its own row.

Everything is signed out first, and nobody may sign in until all is deleted, so no row is made behind the search. A
session whose row is gone is never accepted again: a store that knows nothing of it says no.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..ids import Account
from ..revocation.receipt import Receipt
from ..revocation.revoke import Revoker
from ..store import keys
from ..store.client import Store
from ..store.names import names_in
from ..store.scripts import load
from ..trials.claims import Trials

_FORGET: Final = load(Path(__file__).parent / "forget.lua", keys=("devices", "sessions"), args=("prefix", "account"))
_FORGET_ACCOUNT: Final = load(Path(__file__).parent / "forget_account.lua", keys=("account",), args=("ttl_ms",))
#: Longer than any lease, and any token of before, may run.
_TTL_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was deleted, and the receipt of the sign-out before."""

    receipt: Receipt
    sessions: int
    devices: int
    trials: int

    def as_dict(self) -> dict[str, object]:
        """For an answer."""
        return {
            "sessions": self.sessions,
            "devices": self.devices,
            "trials": self.trials,
            "receipt": self.receipt.as_dict(),
        }


async def forget(store: Store, revoker: Revoker, trials: Trials, account: Account) -> Forgotten:
    """Sign an account out everywhere and delete its rows; may be repeated.

    Looks through every key of its server, a second for a million. Raises StoreAway: repeat it; until then the account
    is disabled.
    """
    receipt = await revoker.revoke(account, [("disable", account)], reason="erased")
    partition = keys.partition_of(account)
    prefix = keys.prefix(partition)
    sessions = devices = 0
    async for names in names_in(store, partition, "*"):
        deleted = await _FORGET(
            store,
            {"devices": keys.devices(account), "sessions": keys.sessions(account)},
            {"prefix": prefix, "account": account},
            tuple(names),
        )
        sessions += int(deleted[0])
        devices += int(deleted[1])
    claims = await trials.forget_account(account)
    await _FORGET_ACCOUNT(
        store, {"account": keys.account(account)}, {"ttl_ms": _TTL_MS}, replicas=store.replicas.writes
    )
    return Forgotten(receipt, sessions, devices, claims)
