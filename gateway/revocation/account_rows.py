"""The rows that an act on an account leaves behind or needs: looked at and forgotten in slices, never all at once."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..errors import NotFound, StoreAway
from ..ids import Account
from ..store import keys
from ..store.client import Store
from ..store.scripts import load

_END_SESSIONS: Final = load(
    Path(__file__).parent / "end_sessions.lua", keys=("account", "generations"), args=("prefix",)
)
#: Rows that are read or changed at once: a few milliseconds of the store.
_AT_ONCE: Final = 50


class AccountRows:
    """The device and session rows of accounts, as revocation sees them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def clear(self, account: Account) -> None:
        """Forget what the rows of sessions say that a sign-out of the whole account has ended.

        They are refused already: that rests on the account's generation. Idempotent; what is left undone while the
        store is away lapses with its rows.
        """
        partition = keys.partition_of(account)
        with contextlib.suppress(StoreAway):
            cursor = -1
            while cursor != 0:
                cursor, ids = await self._store.guard(
                    self._store.redis.sscan(keys.devices(account), max(cursor, 0), count=_AT_ONCE)
                )
                cursor = int(cursor)
                for start in range(0, len(ids), _AT_ONCE):
                    await _END_SESSIONS(
                        self._store,
                        {"account": keys.account(account), "generations": keys.generations(partition)},
                        {"prefix": keys.prefix(partition)},
                        tuple(str(one) for one in ids[start : start + _AT_ONCE]),
                    )

    async def must_exist(self, account: Account, targets: Sequence[tuple[str, str]]) -> None:
        """Raises NotFound if a device of `targets` is not this account's, StoreAway."""
        partition = keys.partition_of(account)
        ids = [subject for kind, subject in targets if kind == "device"]
        for start in range(0, len(ids), _AT_ONCE):
            pipe = self._store.redis.pipeline(transaction=False)
            for one in ids[start : start + _AT_ONCE]:
                pipe.hget(keys.device(partition, one), "account")
            if any(owner != account for owner in await self._store.guard(pipe.execute())):
                raise NotFound("unknown_device", "no such device on this account")
