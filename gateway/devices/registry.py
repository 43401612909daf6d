"""The device rows of an account: list and rename. Removing is a revocation (revocation/revoke.py)."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import BadRequest, NotFound
from ..fingerprint.keep import ALIKE, alike_in
from ..fingerprint.likeness import Likeness, told
from ..ids import Account, is_id
from ..store import keys
from ..store.client import Store
from ..store.scripts import load

_RENAME = load(Path(__file__).parent / "rename.lua", keys=("device",), args=("account", "name"))
_PRUNE = load(Path(__file__).parent / "prune.lua", keys=("devices",), args=("prefix",))
MAX_NAME_CHARS: Final = 60
#: Devices of one page, unless fewer are asked for.
MAX_LISTED: Final = 200
#: Rows that are read at once: a millisecond of this process.
SLICE: Final = 50


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One device an account is or was lately signed in on. Instants in milliseconds of the store's clock.

    `place` is a network prefix; `reuse_at_ms` tells when a copied credential of it was refused, 0 for never.
    """

    id: str
    name: str
    kind: str
    model: str
    os: str
    client: str
    first_seen_ms: int
    last_seen_ms: int
    place: str
    remembered: bool
    state: str
    reuse_at_ms: int = 0
    #: The former device of the account that it seems to be, by its fingerprint.
    looks_like: Likeness | None = None
    #: Until when a sign-in on it may last; 0 where that was not written down yet.
    good_until_ms: int = 0
    #: The networks it was used from before, the last one first, each with when that ended.
    former_places: tuple[tuple[str, int], ...] = ()

    @property
    def position(self) -> str:
        """Its place in the list, for `Devices.list`."""
        return f"{self.last_seen_ms}.{self.id}"

    def as_dict(self) -> dict[str, object]:
        """The JSON shape of the API."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        former = [{"place": place, "last_seen_ms": at_ms} for place, at_ms in self.former_places]
        looks_like = None if self.looks_like is None else self.looks_like.as_dict()
        return {**fields, "looks_like": looks_like, "former_places": former}


class Devices:
    """Reads and names the devices of accounts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(self, account: Account, *, after: str = "", limit: int = MAX_LISTED) -> Sequence[DeviceRow]:
        """The account's devices, last used first, at most `limit` behind the place `after` (see `DeviceRow.position`).

        Empty for an account never seen. Looks at the store in slices, however many there are. Raises BadRequest (an
        `after` that is no place), StoreAway.
        """
        order = await self._order(account)
        if after:
            order = _behind(order, after)
        seen_ms = {device: at_ms for at_ms, device in order}
        return await self._read(account, [device for _at_ms, device in order[:limit]], seen_ms)

    async def ids(self, account: Account) -> Sequence[str]:
        """Every device of the account, last used first. Raises StoreAway."""
        return [device for _seen_ms, device in await self._order(account)]

    async def find(self, account: Account, device: str) -> DeviceRow | None:
        """One device of the account, by its id. Raises StoreAway."""
        rows = await self._read(account, [device], {})
        return rows[0] if rows else None

    async def _order(self, account: Account) -> Sequence[tuple[int, str]]:
        """When each device was used last, and its id; last used first."""
        partition, redis, found, cursor = keys.partition_of(account), self._store.redis, dict[str, int](), -1
        while cursor != 0:
            cursor, names = await self._store.guard(redis.sscan(keys.devices(account), max(cursor, 0), count=SLICE))
            cursor = int(cursor)
            ids = [str(name) for name in names]
            for start in range(0, len(ids), SLICE):
                slice_of = ids[start : start + SLICE]
                pipe = redis.pipeline(transaction=False)
                for device in slice_of:
                    pipe.hmget(keys.device(partition, device), "last_seen_ms", "state")
                rows = await self._store.guard(pipe.execute())
                found |= {
                    device: int(seen or 0)
                    for device, (seen, state) in zip(slice_of, rows, strict=True)
                    if state is not None
                }
                lapsed = [device for device, (_seen, state) in zip(slice_of, rows, strict=True) if state is None]
                if lapsed:
                    await _PRUNE(
                        self._store,
                        {"devices": keys.devices(account)},
                        {"prefix": keys.prefix(partition)},
                        tuple(lapsed),
                    )
        return sorted(((seen_ms, device) for device, seen_ms in found.items()), reverse=True)

    async def _read(self, account: Account, ids: Sequence[str], seen_ms: Mapping[str, int]) -> Sequence[DeviceRow]:
        partition = keys.partition_of(account)
        found = dict[str, Mapping[str, str]]()
        for start in range(0, len(ids), SLICE):
            pipe = self._store.redis.pipeline(transaction=False)
            for device in ids[start : start + SLICE]:
                pipe.hgetall(keys.device(partition, device))
            found |= dict(zip(ids[start : start + SLICE], await self._store.guard(pipe.execute()), strict=True))
        rows = [
            _row(device, fields, {device: int(fields.get("last_seen_ms", 0)), **seen_ms})
            for device, fields in found.items()
            if fields.get("account") == account and fields.get("state") == "active"
        ]
        return sorted(rows, key=lambda device: device.last_seen_ms, reverse=True)

    async def rename(self, account: Account, device: str, name: str) -> None:
        """Name a device; idempotent. Raises BadRequest (bad name), NotFound (not this account's), StoreAway."""
        chosen = checked_name(name)
        row = keys.device(keys.partition_of(account), device)
        if not await _RENAME(self._store, {"device": row}, {"account": account, "name": chosen}):
            raise NotFound("unknown_device", "no such device on this account")


def checked_name(name: str) -> str:
    """A name as it is kept: NFC, trimmed, 1 to 60 characters, no control characters. Raises BadRequest."""
    chosen = unicodedata.normalize("NFC", name).strip()
    if not 0 < len(chosen) <= MAX_NAME_CHARS:
        raise BadRequest("bad_device_name", f"expected a name of 1 to {MAX_NAME_CHARS} characters")
    # Letters of every script and the joiners some of them need; nothing that moves text about or breaks lines.
    if any(
        unicodedata.category(c) in {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}
        or c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        for c in chosen
    ):
        raise BadRequest("bad_device_name", "expected a name without control characters")
    return chosen


def _row(device: str, fields: Mapping[str, str], seen_ms: Mapping[str, int]) -> DeviceRow:
    """A device, and which of those that were last seen at `seen_ms` it looks like."""
    first_seen_ms = int(fields.get("first_seen_ms", 0))
    return DeviceRow(
        id=device,
        name=fields.get("name", ""),
        kind=fields.get("kind", "other"),
        model=fields.get("model", ""),
        os=fields.get("os", ""),
        client=fields.get("client", ""),
        first_seen_ms=first_seen_ms,
        last_seen_ms=seen_ms[device],
        place=fields.get("place", ""),
        remembered=fields.get("remembered") == "1",
        state=fields.get("state", "active"),
        reuse_at_ms=int(fields.get("reuse_at_ms", 0)),
        looks_like=told(
            alike_in(fields.get(ALIKE, "")), seen_ms, first_seen_ms=first_seen_ms, last_seen_ms=seen_ms[device]
        ),
        good_until_ms=int(fields.get("good_until_ms", 0)),
        former_places=_former(fields.get("former_places", "")),
    )


def _former(text: str) -> tuple[tuple[str, int], ...]:
    parts = [one.rpartition("@") for one in text.split()]
    return tuple((place, int(at_ms)) for place, _, at_ms in parts if place and at_ms.isdigit())


def _behind(order: Sequence[tuple[int, str]], after: str) -> Sequence[tuple[int, str]]:
    seen, _, device = after.partition(".")
    if not (seen.isascii() and seen.isdigit() and len(seen) < 16 and is_id(device)):
        raise BadRequest("bad_after", "expected the `next` of an earlier page")
    return [one for one in order if one < (int(seen), device)]
