"""Which signing keys the registered workers agree on: what may sign, and what may be in use and unknown here."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..store import keys
from ..store.client import Store
from ..store.scripts import load

_AGREE = load(
    Path(__file__).parent / "key_agreement.lua",
    keys=("deployment", "workers", "agreed_keys", "key_knowers"),
    args=("retired", "count_again_ms"),
)
#: A count of the rows is not relied on for longer, should a worker of an older release have rewritten its row.
_COUNT_AGAIN_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that some worker can verify with: how many can, and when (store time) all could for the first time."""

    id: str
    knowers: int
    agreed_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the registry of this version says of the keys at one moment of the store's clock."""

    now_ms: int
    workers: int
    keys: tuple[KnownKey, ...]
    version: int = 0

    def may_sign(self, lead_seconds: float) -> frozenset[str]:
        """Keys that every worker knows, and that all of them knew `lead_seconds` ago."""
        since_ms = self.now_ms - round(lead_seconds * 1000)
        return frozenset(
            key.id
            for key in self.keys
            if key.knowers == self.workers and key.agreed_at_ms is not None and key.agreed_at_ms <= since_ms
        )

    def in_use(self) -> frozenset[str]:
        """Keys that may have signed something, and that some worker can still verify with."""
        return frozenset(key.id for key in self.keys if key.agreed_at_ms is not None)


async def agree(store: Store, *, retired: Iterable[str]) -> Agreement:
    """Which keys the workers know, and write down which ones all of them do; costs the store as much as keys there are.

    `retired` are the caller's retired keys: they are in use no more. Idempotent. Raises StoreAway.
    """
    now_ms, version, workers, flat = await _AGREE(
        store,
        {
            "deployment": keys.DEPLOYMENT,
            "workers": keys.WORKERS,
            "agreed_keys": keys.AGREED_KEYS,
            "key_knowers": keys.KEY_KNOWERS,
        },
        {"retired": " ".join(retired), "count_again_ms": _COUNT_AGAIN_MS},
    )
    rows = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
    known = tuple(KnownKey(key_id, knowers, int(at) if at else None) for key_id, knowers, at in sorted(rows))
    return Agreement(now_ms, workers, known, version)
