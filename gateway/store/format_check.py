"""The store's format number: written by whoever uses it first, looked at before anything else there is believed."""

from pathlib import Path
from typing import Final

from ..errors import StoreAway
from ..format_mark import FORMAT, NEEDS, Mark, NewerFormatError
from . import keys
from .client import Store
from .scripts import load

_MARK = load(Path(__file__).parent / "format_mark.lua", keys=("deployment",), args=("format", "needs"))
CODE: Final = "store_is_newer"


class StoreIsNewer(StoreAway):
    """The store answers, and was written by a release that this one must not work beside."""


class FormatWatch:
    """One worker's look at the mark, once in each epoch: the store may have been emptied, or be another one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._epoch = 0

    async def vouch(self, epoch: int) -> None:
        """Raises StoreIsNewer and StoreAway."""
        if epoch == self._epoch:
            return
        try:
            await mark_store(self._store)
        except NewerFormatError as newer:
            raise StoreIsNewer(str(newer), code=CODE) from None
        self._epoch = epoch


async def mark_store(store: Store) -> Mark:
    """Check the store's mark and write ours if it has none or an older one; the mark as found.

    Raises NewerFormatError, StoreAway.
    """
    found = Mark(*await _MARK(store, {"deployment": keys.DEPLOYMENT}, {"format": FORMAT, "needs": NEEDS}))
    found.refuse_if_newer("the store")
    return found
