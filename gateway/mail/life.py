"""Until when links of each key are good: what must be known before the key is retired, for links are kept nowhere."""

from collections.abc import Iterable

from ..store import keys
from ..store.client import Store


class LinkLife:
    """Notes in the store, for each key, when the last link that it signed is over."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def note(self, key_ids: Iterable[str], expires_at_ms: int) -> None:
        """These keys have signed links that are good until then; an earlier end changes nothing. Raises StoreAway."""
        ends = dict.fromkeys(key_ids, expires_at_ms)
        await self._store.guard(self._store.redis.zadd(keys.LINKS_UNTIL, ends, gt=True))

    async def until_ms(self, key_id: str) -> int | None:
        """When the last link of a key is over, in milliseconds since the epoch; None without any. Raises StoreAway."""
        end = await self._store.guard(self._store.redis.zscore(keys.LINKS_UNTIL, key_id))
        return None if end is None else int(end)
