"""Entries of a stream that cannot be read: whatever one might name is sent to the store, and the worker goes on.

Nobody knows whom such an entry revokes, only of which partition they are. So no lease of that partition that was issued
before the entry was seen is accepted without the store, which knows what the entry did to its rows. What the store
issues later is good: its scripts look at the same rows. After two of the deployment's longest leases every lease in
doubt is over, as with any entry. Other partitions do not notice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from .. import logs, metrics
from .entry import Entry, parse
from .fence import Fence
from .pulse import History

_REMEDY: Final = (
    "find out who else writes into the store; revoke again what was revoked at that time: this one reaches no worker"
)
#: Fenced for ever: who meets it goes the long way, where `Doubts.doubts` decides.
_CLOSED: Final = Fence(0)

_log: Final = logs.get("revocation")


def unreadable_entry(partition: int) -> Entry:
    """What one that cannot be read amounts to: it may name anybody of its partition, at any time."""
    return Entry(0, "everybody", f"{partition:02x}", 0, 0, "-", "-")


class _Followed(Protocol):
    fence: Fence
    history: History


@dataclass(slots=True)
class _Doubt:
    #: When the latest entry was seen (boot time).
    seen_ns: int
    #: Leases issued until then (store time) are doubted; None: every one, until a heartbeat has told the time.
    until_ms: int | None = None


class Doubts:
    """The partitions of which something could not be read. `fences` is the list that the hot path reads.

    `tell` is called for each such entry, with what it amounts to for whoever keeps connections open.
    """

    def __init__(self, fences: list[Fence], tell: Callable[[int, Entry], object]) -> None:
        self._fences = fences
        self._tell = tell
        self._of: dict[int, _Doubt] = {}

    def read(self, partition: int, text: str, now_ns: int) -> Entry | None:
        """The entry; None if it is none, and from this moment on its partition is doubted.

        One that is read again, after a reconnect, counts as another: streams are read back no further than `forget`
        waits, so the doubt ends all the same.
        """
        try:
            return parse(text)
        except ValueError:
            pass
        metrics.UNREADABLE_REVOCATIONS.inc()
        if partition not in self._of:
            _log.error("revocation_unreadable", partition=partition, remedy=_REMEDY)
        self._of[partition] = _Doubt(now_ns)
        self._fences[partition] = _CLOSED
        self._tell(partition, unreadable_entry(partition))
        return None

    def doubts(self, partition: int, issued_at_ms: int) -> bool:
        """Whether a lease that was issued then may be one that an unreadable entry names."""
        doubt = self._of.get(partition)
        return doubt is not None and (doubt.until_ms is None or issued_at_ms <= doubt.until_ms)

    def close_fences(self) -> None:
        """The list of fences was written anew: those of doubted partitions are closed again."""
        for partition in self._of:
            self._fences[partition] = _CLOSED

    def settle(self, links: Sequence[_Followed]) -> None:
        """Find the time until which leases are doubted: that of a heartbeat sent after the entry was seen."""
        for partition, doubt in self._of.items():
            link = links[partition]
            if doubt.until_ms is None and link.fence.contact_ns > doubt.seen_ns:
                # What its clock gave out before it was put back is from before, too.
                doubt.until_ms = max(link.fence.contact_store_ms, link.history.ahead_until_ms)

    def forget(self, links: Sequence[_Followed], now_ns: int, keep_ns: int) -> None:
        """Trust again where every lease in doubt is over."""
        for partition, doubt in list(self._of.items()):
            if doubt.until_ms is not None and now_ns - doubt.seen_ns > keep_ns:
                del self._of[partition]
                self._fences[partition] = links[partition].fence
