"""Putting rows of an import into the store: in one script a partition, few at once, so that a live store goes on."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from ..ids import Account
from ..sessions.policy import DEVICE_COOKIE_SECONDS
from ..store import keys
from ..store.client import Store
from ..store.scripts import load
from .lines import Row

_ADMIT = load(Path(__file__).parent / "admit.lua", keys=("generations",), args=("prefix", "kept_ms", "dry"))

#: Rows of one script: about a millisecond of the store, which serves nobody else meanwhile.
_BATCH: Final = 50
_AT_ONCE: Final = 4


async def admit(store: Store, rows: Sequence[Row], *, dry: bool) -> list[str]:
    """What became of each row: "imported", "already", or why not (admit.lua). With `dry` nothing is written.

    Idempotent row by row. Raises StoreAway: some may be in, repeat all.
    """
    outcomes = [""] * len(rows)
    by_partition: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        by_partition.setdefault(keys.partition_of(Account(row.account)), []).append(place)
    few = asyncio.Semaphore(_AT_ONCE)

    async def send(partition: int, places: list[int]) -> None:
        async with few:
            said = await _ADMIT(
                store,
                {"generations": keys.generations(partition)},
                {"prefix": keys.prefix(partition), "kept_ms": DEVICE_COOKIE_SECONDS * 1000, "dry": int(dry)},
                tuple(msgspec.json.encode(rows[place]) for place in places),
            )
        for place, outcome in zip(places, said, strict=True):
            outcomes[place] = outcome

    await asyncio.gather(
        *(
            send(partition, places[start : start + _BATCH])
            for partition, places in by_partition.items()
            for start in range(0, len(places), _BATCH)
        )
    )
    return outcomes
