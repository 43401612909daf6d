"""The device rows of an account: list and rename. Removing is a revocation (revocation/revoke.py)."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import BadRequest, NotFound
from ..fingerprint.keep import ALIKE, alike_in
from ..fingerprint.likeness import Likeness, told
from ..ids import Account
from ..store import keys
from ..store.client import Store
from ..store.scripts import load

_RENAME = load(Path(__file__).parent / "rename.lua", keys=("device",), args=("account", "name"))
MAX_NAME_CHARS: Final = 60


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

    def as_dict(self) -> dict[str, object]:
        """The JSON shape of the API."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "looks_like": None if self.looks_like is None else self.looks_like.as_dict()}


class Devices:
    """Reads and names the devices of accounts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(self, account: Account) -> list[DeviceRow]:
        """The account's devices, last used first; empty for an account never seen. Raises StoreAway."""
        partition = keys.partition_of(account)
        ids = sorted(
            str(member) for member in await self._store.guard(self._store.redis.smembers(keys.devices(account)))
        )
        if not ids:
            return []
        pipe = self._store.redis.pipeline(transaction=False)
        for device in ids:
            pipe.hgetall(keys.device(partition, device))
        rows = await self._store.guard(pipe.execute())
        found = {device: fields for device, fields in zip(ids, rows, strict=True) if fields}
        seen_ms = {device: int(fields.get("last_seen_ms", 0)) for device, fields in found.items()}
        devices = [_row(device, fields, seen_ms) for device, fields in found.items()]
        return sorted(devices, key=lambda device: device.last_seen_ms, reverse=True)

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
    )
