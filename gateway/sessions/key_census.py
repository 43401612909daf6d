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
from ..store.names import hashes, is_ours, keys_everywhere, names_everywhere

#: Keys of the store looked at in one step: about a millisecond of its time.
_STEP: Final = 1_000
#: What a session or device counts for that was begun before keys were noted.
UNNOTED: Final = ""


@dataclass(slots=True)
class KeyCensus:
    """Live sessions (and the remembered ones among them) and active devices, by key id; `unreadable` are records under
    our names that are none of ours.
    """

    sessions: Counter[str] = field(default_factory=Counter)
    remembered: Counter[str] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0


async def take_census(store: Store, *, now_ms: int, progress: Callable[[int, int], None]) -> KeyCensus:
    """Look at every key of the store, in steps; `progress(done, total)` after each.

    Sessions that begin or end meanwhile may or may not be in it, and a few may count twice if the store grows its table
    during the scan (SCAN's own guarantee). Raises StoreAway.
    """
    census = KeyCensus()
    total, done = await keys_everywhere(store), 0
    async for names in names_everywhere(store, "*", at_once=_STEP):
        await _count_devices(store, census, [name for name in names if is_ours(name, "device")])
        await _count_sessions(store, census, [name for name in names if is_ours(name, "session")], now_ms)
        done += len(names)
        progress(min(done, total), total)
    return census


async def _count_devices(store: Store, census: KeyCensus, names: list[str]) -> None:
    for row in await hashes(store, names):
        census.unreadable += bool(row) and "state" not in row
        if row.get("state") == "active":
            census.devices[row.get("key", UNNOTED)] += 1


async def _count_sessions(store: Store, census: KeyCensus, names: list[str], now_ms: int) -> None:
    standing = []
    for name, row in zip(names, await hashes(store, names), strict=True):
        try:
            if row and _stands(row, now_ms):
                standing.append((name.partition("session:")[0], row))
        except (KeyError, ValueError):
            census.unreadable += 1
    # A removed device and a signed-out or disabled account end a session without a word in its own record.
    devices = await hashes(store, [f"{at}device:{row['device']}" for at, row in standing])
    accounts = await hashes(store, [f"{at}account:{row['account']}" for at, row in standing])
    floors = await hashes(store, [f"{at}generations" for at, _row in standing])
    for (_at, row), device, account, floor in zip(standing, devices, accounts, floors, strict=True):
        least = max(int(account.get("generation", 0)), int(floor.get("floor", 0)))
        if device.get("state") == "active" and account.get("disabled") != "1" and int(row["generation"]) >= least:
            key = row.get("key", UNNOTED)
            census.sessions[key] += 1
            census.remembered[key] += row["remembered"] == "1"


def _stands(row: dict[str, str], now_ms: int) -> bool:
    """Whether the session is live by its own record; raises KeyError or ValueError if it is no record of a session."""
    if row["state"] != "live":
        return False
    ends_ms = min(int(row["absolute_ms"]), max(int(row["fresh_until_ms"]), int(row["remember_until_ms"])))
    # Read here, so that what is missing is found out now.
    _place = (row["account"], row["device"], row["remembered"], int(row["generation"]))
    # One that was imported and has not been seen yet has no token of ours (n is 0).
    return row["n"] != "0" and now_ms < ends_ms
