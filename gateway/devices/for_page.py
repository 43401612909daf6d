"""What the page of devices asks of the registry and of revocation."""

from collections.abc import Sequence
from typing import Protocol

from ..revocation.receipt import Receipt
from .registry import MAX_LISTED, DeviceRow


class DevicesForPage(Protocol):
    """What the page asks of the registry and of revocation; each may raise errors.StoreAway."""

    async def rename(self, account: str, device_id: str, name: str) -> None:
        """Check a name and give it to a device; raises errors.NotFound and errors.BadRequest."""
        ...

    async def remove(self, account: str, device_ids: list[str], *, reason: str) -> Receipt:
        """Sign devices out everywhere; raises errors.NotFound."""
        ...

    async def list(self, account: str, *, after: str = "", limit: int = MAX_LISTED) -> Sequence[DeviceRow]:
        """The devices of an account that are signed in, `limit` of them (a page), behind the place `after`."""
        ...

    async def ids(self, account: str) -> Sequence[str]:
        """All of them."""
        ...

    async def find(self, account: str, device_id: str) -> DeviceRow | None:
        """One of them."""
        ...
