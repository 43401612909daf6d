"""Exporting sessions or devices: the lines of an import, with our own ids as references.

Read by SCAN while the store goes on serving: what begins or ends meanwhile may be in or not, and a line may come twice.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from .. import logs
from ..store.client import Store
from ..store.names import hashes, ours_everywhere
from .lines import DeviceLine, Kind, SessionLine
from .references import OWN

_log = logs.get("moving")


async def take_out(store: Store, kind: Kind, *, now_ms: int) -> AsyncIterator[bytes]:
    """The lines, each with its newline: devices not removed, sessions that could still be used; of every server.

    What is none of ours is left out, and so is a record that lacks something, which the log counts. Raises StoreAway.
    """
    unreadable = 0
    async for names in ours_everywhere(store, "session" if kind == "sessions" else "device"):
        found: list[_Found] = []
        for name, row in zip(names, await hashes(store, names), strict=True):
            try:
                made = row and (_session(name, row, now_ms) if kind == "sessions" else _device(name, row))
            except (KeyError, ValueError):
                unreadable += 1
                continue
            if made:
                found.append(made)
        for one in await _signed_in(store, found) if kind == "sessions" else found:
            yield msgspec.json.encode(one.line) + b"\n"
    if unreadable:
        _log.warning("records_unreadable", kind=kind, records=unreadable)


@dataclass(frozen=True, slots=True)
class _Found:
    """A record by its own word, and the prefix of its partition's keys."""

    prefix: str
    line: SessionLine | DeviceLine
    device: str = ""
    generation: int = 0


def _device(name: str, row: dict[str, str]) -> _Found | None:
    if row["state"] != "active":
        return None
    prefix, _, device = name.partition("device:")
    line = DeviceLine(
        account=row["account"],
        device=OWN + device,
        first_seen_ms=int(row["first_seen_ms"]),
        last_seen_ms=int(row["last_seen_ms"]),
        name=row["name"] if row["named_by_owner"] == "1" else "",
        kind=row["kind"],  # type: ignore[arg-type]  # only what names.describe or an import made
        model=row["model"],
        os=row["os"],
        client=row["client"],
        place=row["place"],
    )
    return _Found(prefix, line)


def _session(name: str, row: dict[str, str], now_ms: int) -> _Found | None:
    if not _may_go_on(row, now_ms):
        return None
    prefix, _, session = name.partition("session:")
    line = SessionLine(
        account=row["account"],
        session=OWN + session,
        authenticated_at_ms=int(row["authenticated_at_ms"]),
        device=OWN + row["device"],
        created_at_ms=int(row["created_at_ms"]),
        last_seen_ms=int(row.get("renewed_at_ms", row["created_at_ms"])),
        remember=row["remembered"] == "1",
        method=row["method"],
    )
    return _Found(prefix, line, row["device"], int(row["generation"]))


async def _signed_in(store: Store, found: Sequence[_Found]) -> list[_Found]:
    """Those whose device is not removed, and whose account is neither signed out nor disabled since."""
    accounts = await hashes(store, [f"{one.prefix}account:{one.line.account}" for one in found])
    devices = await hashes(store, [f"{one.prefix}device:{one.device}" for one in found])
    distinct = sorted({one.prefix for one in found})
    generations = await hashes(store, [f"{prefix}generations" for prefix in distinct])
    floors = {prefix: int(row.get("floor", 0)) for prefix, row in zip(distinct, generations, strict=True)}
    return [
        one
        for one, account, device in zip(found, accounts, devices, strict=True)
        if device.get("state") == "active"
        and account.get("disabled") != "1"
        and one.generation >= max(int(account.get("generation", 0)), floors[one.prefix])
    ]


def _may_go_on(row: dict[str, str], now_ms: int) -> bool:
    if row["state"] != "live":
        return False
    if row["n"] == "0":
        # Imported, and waiting for its visitor.
        return True
    fresh = now_ms < int(row["fresh_until_ms"])
    return now_ms < int(row["absolute_ms"]) and (
        fresh or (row["remembered"] == "1" and now_ms < int(row["remember_until_ms"]))
    )
