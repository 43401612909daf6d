"""Letting a disabled account sign in again; disabling is a revocation (revoke.py)."""

from pathlib import Path

from ..ids import Account, new_id
from ..store import keys
from ..store.client import Store
from ..store.scripts import load

_ENABLE = load(Path(__file__).parent / "enable.lua", keys=("account", "outbox"), args=("account", "event_id"))


async def enable(store: Store, account: Account) -> bool:
    """Let the account sign in again; False if it was not disabled. Idempotent; brings no session back.

    Raises StoreAway, and TooFewReplicas (repeat it).
    """
    enabled = await _ENABLE(
        store,
        {"account": keys.account(account), "outbox": keys.outbox(keys.partition_of(account))},
        {"account": account, "event_id": f"evt_{new_id()}"},
        replicas=store.replicas.writes,
    )
    return bool(enabled)
