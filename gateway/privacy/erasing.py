"""Requests to erase: written down where this node's shippers read them, and what has become of them."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

from ..clock import Clock
from ..errors import NotFound
from ..ids import new_id, to_text
from ..shipping.erasures import Erasure, Erasures, subjects
from ..shipping.pseudonyms import Pseudonyms


class Erasing:
    """The erasures of the node whose data are in `data_dir`. The methods wait for the disk, in threads."""

    def __init__(self, data_dir: Path, pseudonyms: Pseudonyms, clock: Clock) -> None:
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._erasures = Erasures(data_dir / "warehouse")

    async def ask(
        self,
        *,
        users: Sequence[str],
        visitors: Sequence[bytes],
        trackers: Sequence[str],
        recipients: Sequence[str],
        repeat_key: str | None,
    ) -> Erasure:
        """Request an erasure, durable when this returns.

        Repeated with the same key it has the same id, and is a new request all the same, with a time of its own: what
        came since the first is searched too, and whoever did not hear of the first hears of this.
        """

        def write() -> Erasure:
            erasure = new_id() if repeat_key is None else _id_of(repeat_key)
            named = subjects(self._pseudonyms, users=users, visitors=visitors, trackers=trackers, recipients=recipients)
            return self._erasures.ask(erasure, named, requested_at_ms=self._clock.wall_ms())

        return await asyncio.to_thread(write)

    async def find(self, erasure: str) -> Erasure:
        """One erasure as of now. Raises NotFound."""
        found = await asyncio.to_thread(self._erasures.read, erasure)
        if found is None:
            raise NotFound("unknown_erasure", "this node knows no erasure of this id")
        return found


def _id_of(repeat_key: str) -> str:
    return to_text(hashlib.blake2b(repeat_key.encode(), digest_size=16, person=b"erasure").digest())


def told(erasure: Erasure) -> dict[str, object]:
    """An erasure as its receipt tells it; whom it is about stands nowhere in it."""
    return {
        "id": erasure.id,
        "state": erasure.state,
        "requested_at_ms": erasure.requested_at_ms,
        "left_out_until_ms": erasure.until_ms,
        "events": erasure.events,
        "dead_letters": erasure.dead_letters,
        "waits_for_segments": len(erasure.segments or []) if erasure.state == "waiting" else 0,
        "waits_for_files": len(erasure.leaving),
        "unreadable_files": erasure.unread,
        "completed_at_ms": erasure.completed_at_ms,
    }
