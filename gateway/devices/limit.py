"""The limit of devices of an account: whether there is room for one more, and which to give up otherwise.

The sign-in itself holds the limit (sessions/start.lua); by this, people and websites choose before it is repeated.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from ..clock import Clock
from ..errors import BadRequest
from ..pages.language import Language
from ..revocation.receipt import Receipt
from .for_page import DevicesForPage
from .receipt_words import Told, tell
from .registry import DeviceRow
from .spoken import label_in

#: The fields of a form, one for each device that is given up, begin with it.
FIELD: Final = "give_up_"
#: Too few were chosen, or others than the account's.
BAD_CHOICE: Final = "bad_give_up"
#: Why a device was removed: its owner gave it up for another.
GAVE_WAY: Final = "gave_way"


@dataclass(frozen=True, slots=True)
class Full:
    """An account without room: its devices, last used first, and how many of them must go before one more fits."""

    devices: tuple[DeviceRow, ...]
    surplus: int
    most: int

    def tell(self, receipt: Receipt, ids: Collection[str], language: Language) -> Told:
        """What to say when those of its devices were signed out."""
        names = [label_in(row.name, row.client, row.os, language) for row in self.devices if row.id in ids]
        return tell(receipt, names, language, UTC)


class DeviceLimit:
    """What an account may have, and what it gives up for one more; `most` 0 is no limit."""

    def __init__(self, devices: DevicesForPage, most: int, clock: Clock) -> None:
        self._devices = devices
        self._clock = clock
        self._most = most

    async def full(self, account: str, *, keep: str = "") -> Full | None:
        """What to choose from, the device `keep` left out, or None if there is room. Raises StoreAway."""
        if not self._most:
            return None
        now_ms = self._clock.wall_ms()
        # What no sign-in can last on any more makes room by itself (devices/keep.lua).
        total = len(await self._devices.ids(account))
        # All of them: an account from before there was a limit may have to choose more than a page shows.
        listed = await self._devices.list(account, limit=max(total, 1))
        idle = [row for row in listed if row.good_until_ms and row.good_until_ms <= now_ms]
        if total - len(idle) < self._most:
            return None
        rows = [row for row in listed if row not in idle]
        surplus = total - len(idle) - self._most + 1
        return Full(tuple(row for row in rows if row.id != keep), surplus, self._most) if surplus > 0 else None

    async def give_up(self, account: str, chosen: Collection[str], full: Full) -> Receipt:
        """Sign the chosen devices out everywhere, for good.

        Raises BadRequest (too few, or others than its devices; nothing is signed out then), NotFound (one is gone by
        now), StoreAway.
        """
        wanted = set(chosen)
        if len(wanted) < full.surplus or not wanted <= {row.id for row in full.devices}:
            raise BadRequest(BAD_CHOICE, f"expected at least {full.surplus} of the account's devices to give up")
        return await self._devices.remove(account, sorted(wanted), reason=GAVE_WAY)


def chosen_in(fields: Mapping[str, str]) -> list[str]:
    """The ids of the devices whose boxes were ticked in a form."""
    return [name.removeprefix(FIELD) for name in fields if name.startswith(FIELD)]
