"""The agreement on keys as long as the registry has not changed: one worker's memory of what it was told."""

from collections.abc import Iterable
from dataclasses import replace

from ..store.client import Store
from .key_agreement import Agreement, agree


class SettledAgreement:
    """Asks the store again only if a row, the epoch, or the caller's retired keys have changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: Agreement | None = None
        #: The epoch, the registry's version and the retired keys that it holds for.
        self._settled: tuple[int, int, frozenset[str]] | None = None

    async def newest(self, version: tuple[int, int] | None, store_ms: int, *, retired: Iterable[str]) -> Agreement:
        """What all workers know, as of `store_ms`. Raises StoreAway.

        `version` is the epoch and the registry's version as the last heartbeat told them; None if that is too old to be
        relied on: then the store is asked.
        """
        gone = frozenset(retired)
        if self._known is not None and version is not None and self._settled == (*version, gone):
            return replace(self._known, now_ms=store_ms)
        agreement = await agree(self._store, retired=gone)
        self._known = agreement
        self._settled = (version[0], agreement.version, gone) if version is not None else None
        return agreement
