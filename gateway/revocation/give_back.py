"""Giving back to the store the revocations it has lost and a worker still holds: after a fail-over or a flush."""

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Final

from .. import logs
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from .entry import Entry
from .replica import Replica

_RESTORE = load(
    Path(__file__).parent / "restore.lua",
    keys=("revocations", "number", "account_or_row", "generations"),
    args=("keep_ms", "kind", "id", "generation", "revocation_id", "at_ms"),
)
#: Store calls under way at once: fewer than the pool holds, so that acknowledgements find a connection.
_AT_ONCE: Final = 16

_log = logs.get("revocation")


async def give_back(store: Store, replica: Replica, partitions: Collection[int] = range(keys.PARTITIONS)) -> None:
    """Put every held entry of these partitions back that the store lacks; idempotent.

    Raises StoreAway: some may be back, do it again.
    """
    held = replica.holdings(partitions)
    keep_ms = replica.keep_ns // 1_000_000
    given = 0
    try:
        for start in range(0, len(held), _AT_ONCE):
            chunk = held[start : start + _AT_ONCE]
            given += sum(await asyncio.gather(*(_give_back(store, keep_ms, *one) for one in chunk)))
    finally:
        if given:
            _log.warning("revocations_given_back", revocations=given, held=len(held))


async def _give_back(store: Store, keep_ms: int, partition: int, entry: Entry) -> bool:
    account = f"{keys.prefix(partition)}account:{entry.subject}"
    row = {
        "device": keys.device(partition, entry.subject),
        "session": keys.session(partition, entry.subject),
        "account": account,
        "disable": account,
        "everybody": keys.generations(partition),
    }[entry.kind]
    restored = await _RESTORE(
        store,
        {
            "revocations": keys.revocations(partition),
            "number": keys.number(partition),
            "account_or_row": row,
            "generations": keys.generations(partition),
        },
        {
            "keep_ms": keep_ms,
            "kind": entry.kind,
            "id": entry.subject,
            "generation": entry.generation,
            "revocation_id": entry.revocation_id,
            "at_ms": entry.at_ms,
        },
    )
    return bool(restored)
