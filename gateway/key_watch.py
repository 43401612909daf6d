"""Keeps a worker's keys in step: follows the key file, agrees with other workers on what signs, rotates on schedule."""

from functools import partial
from typing import Final

from . import logs, metrics
from .clock import Clock
from .errors import StoreAway, StoreRefused
from .one_thread import OneThread, StillHanging
from .revocation.feed import Feed
from .revocation.neighbours import Neighbours
from .revocation.settled_agreement import SettledAgreement
from .sessions.leases import Leases
from .store.client import Store
from .tokens.keyring import KeyFileError, KeyRing
from .tokens.rotation import rotate_if_due

_log = logs.get("keys")
#: After a rotation that failed, say because the file is read-only, the next one is tried this much later.
_RETRY_NS: Final = 600_000_000_000
#: How long a rotation may take; the task that agrees on keys waits for it.
_ROTATE_SECONDS: Final = 5.0


class KeyWatch:
    """One worker's watch over its ring; call `follow` and `agree` about once a second.

    A key signs `lead_seconds` after every registered worker knew it: so long a website may keep a JWKS without it.
    `rotate_seconds` is the age at which the signing key is replaced; 0 leaves that to people.
    """

    def __init__(
        self,
        ring: KeyRing,
        leases: Leases,
        feed: Feed,
        store: Store,
        clock: Clock,
        *,
        lead_seconds: float,
        rotate_seconds: float,
    ) -> None:
        self._ring = ring
        self._leases = leases
        self._feed = feed
        self._store = store
        self._clock = clock
        self._lead_seconds = lead_seconds
        self._rotate_seconds = rotate_seconds
        self._not_again_before_ns = 0
        self._neighbours = Neighbours(store, clock)
        self._agreement = SettledAgreement(store)
        self._thread = OneThread("key rotation")
        # Until the others are heard, a key that they may not know yet must not sign.
        ring.usable(frozenset())

    async def follow(self) -> None:
        """Take up what changed in the key file, and drop every verified lease if something did.

        Raises StillHanging if the disk does not answer: the keys in memory serve on.
        """
        known_problem = self._ring.problem
        changed = await self._ring.follow()
        if self._ring.problem is not None and str(self._ring.problem) != str(known_problem):
            _log.error("key_file_unusable", problem=str(self._ring.problem), remedy="the keys in memory stay in use")
        if changed:
            self._leases.refresh()
            _log.info("keys_changed", known=len(self._ring.known_ids()))
            self._feed.announce()

    async def agree(self) -> None:
        """Hear which keys the other workers know; a store that is away leaves everything as it was.

        The store is asked only if the registry has changed since, as the heartbeats tell. Raises StoreRefused.
        """
        try:
            link = self._feed.registry_link
            version = (link.epoch, link.registry_version)
            await self._neighbours.strike_dead(version)
            agreement = await self._agreement.newest(
                version if link.holds() else None, link.store_ms(), retired=self._ring.retired_ids()
            )
            if agreement.workers:
                self._ring.usable(agreement.may_sign(self._lead_seconds))
            self._note_missing(agreement.in_use() - self._ring.all_ids())
        except StoreRefused:
            # No outage: what refuses is a bug of ours, or a row that nobody wrote, and the task says so.
            raise
        except StoreAway:
            pass
        await self._rotate_if_due()

    def tell(self) -> None:
        """Hand the state of the keys to the metrics."""
        ring, now_ms = self._ring, self._clock.wall_ms()
        metrics.KEY_AGE.labels("signing").set(max(0, now_ms - ring.signing_key().created_at_ms) / 1000)
        metrics.KEY_AGE.labels("oldest").set(max(0, now_ms - ring.oldest_ms()) / 1000)
        metrics.KEY_FILE_USABLE.set(int(ring.problem is None))
        metrics.KEYS_IN_STEP.set(int(not ring.missing))

    def _note_missing(self, missing: frozenset[str]) -> None:
        if missing - self._ring.missing:
            _log.error("keys_behind", missing=sorted(missing), remedy="put the deployment's key file on this host")
        self._ring.missing = missing

    async def _rotate_if_due(self) -> None:
        ring, now_ns = self._ring, self._clock.boot_ns()
        if not self._rotate_seconds or now_ns < self._not_again_before_ns or ring.path is None:
            return
        if not ring.is_newest_signing() or not self._is_old(ring.signing_key().created_at_ms):
            return
        try:
            # In a thread: the file's lock may be held by another worker, and the disk may be slow.
            turn = partial(rotate_if_due, ring.path, self._clock, rotate_seconds=self._rotate_seconds)
            key = await self._thread.run(turn, within_seconds=_ROTATE_SECONDS)
        except (KeyFileError, OSError, StillHanging) as error:
            self._not_again_before_ns = now_ns + _RETRY_NS
            _log.error("key_rotation_failed", problem=str(error), remedy="let this user write the key file's folder")
            return
        if key is not None:
            _log.info("key_rotated", key=key.id)
        await self.follow()

    def _is_old(self, created_at_ms: int) -> bool:
        return self._clock.wall_ms() - created_at_ms >= self._rotate_seconds * 1000
