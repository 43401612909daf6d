"""How many live sessions and devices lean on each signing key: who would be cut off if it were retired.

A session counts for the key of the token its browser showed at the last renewal, or was given at sign-in if there was
none since. The browser has been handed a newer one by then, and is counted for that from its next renewal on: so a key
is found with a few too many, never too few. A device counts for the key of the cookie it was given at its last sign-in.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ..store.client import Store

#: Keys of the store looked at in one step: about a millisecond of its time.
_STEP: Final = 1_000
#: What a session or device counts for that was begun before keys were noted.
UNNOTED: Final = ""


@dataclass(slots=True)
class KeyCensus:
    """Live sessions (and the remembered ones among them) and active devices, by key id."""

    sessions: Counter[str] = field(default_factory=Counter)
    remembered: Counter[str] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)


async def take_census(store: Store, *, now_ms: int, progress: Callable[[int, int], None]) -> KeyCensus:
    """Look at every key of the store, in steps; `progress(done, total)` after each.

    Sessions that begin or end meanwhile may or may not be in it, and a few may count twice if the store grows its table
    during the scan (SCAN's own guarantee). Raises StoreAway.
    """
    census = KeyCensus()
    total = int(await store.guard(store.redis.dbsize()))
    cursor, done = 0, 0
    while True:
        cursor, found = await store.guard(store.redis.scan(cursor, count=_STEP))
        kinds = [(str(name).split(":", 2)[1], str(name)) for name in found]
        await _count_devices(store, census, [name for kind, name in kinds if kind == "device"])
        await _count_sessions(store, census, [name for kind, name in kinds if kind == "session"], now_ms)
        done += len(kinds)
        progress(min(done, total), total)
        if not int(cursor):
            return census


async def _count_devices(store: Store, census: KeyCensus, names: list[str]) -> None:
    for state, key in await _read(store, [(name, ("state", "key")) for name in names]):
        if state == "active":
            census.devices[key or UNNOTED] += 1


async def _count_sessions(store: Store, census: KeyCensus, names: list[str], now_ms: int) -> None:
    fields = ("state", "n", "fresh_until_ms", "remember_until_ms", "absolute_ms")
    standing = [
        name
        for name, (state, n, fresh_until, remember_until, absolute) in zip(
            names, await _read(store, [(name, fields) for name in names]), strict=True
        )
        # One that was imported and has not been seen yet has no token of ours (n is 0).
        if state == "live"
        and n != "0"
        and now_ms < min(int(absolute or 0), max(int(fresh_until or 0), int(remember_until or 0)))
    ]
    rows = await _read(store, [(name, ("key", "remembered", "generation", "account", "device")) for name in standing])
    # A removed device and a signed-out or disabled account end a session without a word in its own record.
    prefixes = [name.partition("session:")[0] for name in standing]
    places = list(zip(prefixes, rows, strict=True))
    devices = await _read(store, [(f"{at}device:{row[4]}", ("state",)) for at, row in places])
    accounts = await _read(store, [(f"{at}account:{row[3]}", ("generation", "disabled")) for at, row in places])
    floors = await _read(store, [(f"{at}generations", ("floor",)) for at in prefixes])
    for row, (state,), (generation, disabled), (floor,) in zip(rows, devices, accounts, floors, strict=True):
        key, remembered, own_generation = row[0], row[1], int(row[2] or 0)
        if state == "active" and disabled != "1" and own_generation >= max(int(generation or 0), int(floor or 0)):
            census.sessions[key or UNNOTED] += 1
            census.remembered[key or UNNOTED] += remembered == "1"


async def _read(store: Store, wanted: list[tuple[str, tuple[str, ...]]]) -> list[list[str | None]]:
    if not wanted:
        return []
    pipe = store.redis.pipeline(transaction=False)
    for name, fields in wanted:
        pipe.hmget(name, fields)
    found: list[list[str | None]] = await store.guard(pipe.execute())
    return found
