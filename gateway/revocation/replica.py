"""HOT (0.2 µs): what this worker knows to be revoked. Pure.

Only what can still matter is kept: entries of the last two `lease_max`, since an older lease is over anyway and a
longer-lived token goes to the store. A million revocations a day at 300 s leases is about 3,500 entries per lease.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Final

from ..ids import Account
from ..store.keys import PARTITIONS, partition_of
from .entry import Entry

_OF_AN_ACCOUNT: Final = ("account", "disable")


class Replica:
    """Revoked device and session ids, raised generations, and the last number heard per partition.

    `revoked`, `generations` and `floors` stay the same objects for the replica's whole life.
    """

    # fmt: off
    __slots__ = (
        "_heard_from", "_held", "_kept", "_numbers", "behind", "floors", "generations", "keep_ns", "revoked", "tell",
    )
    # fmt: on

    def __init__(self, keep_seconds: float) -> None:
        #: How long after an entry was first heard it is kept; may grow, and then holds for what is held already.
        self.keep_ns = round(keep_seconds * 1e9)
        #: Called with partition and entry for each that is new, once it counts.
        self.tell: Callable[[int, Entry], object] = lambda partition, entry: None
        self.revoked: set[str] = set()
        self.generations: dict[str, int] = {}
        #: By partition: below it no generation of any account counts, since everybody was signed out.
        self.floors = [0] * PARTITIONS
        #: Partitions whose numbers have a gap, or that have not been loaded: read again before a fence renews.
        self.behind: set[int] = set(range(PARTITIONS))
        self._held: dict[tuple[str, str], tuple[int, int, Entry]] = {}
        self._kept: deque[tuple[int, str, str]] = deque()
        self._numbers = [0] * PARTITIONS
        # Bells have been heard without a gap from the number after this one on, up to the one in _numbers.
        self._heard_from = [0] * PARTITIONS

    def is_revoked(self, session: str, device: str, account: str, generation: int) -> bool:
        """Whether a lease with these ids is known to be revoked."""
        revoked = self.revoked
        return (
            session in revoked
            or device in revoked
            or generation < self.generations.get(account, 0)
            or generation < self.floors[partition_of(Account(account))]
        )

    def apply(self, partition: int, entry: Entry, now_ns: int) -> bool:
        """Take in an entry from the bell; whether it was new. A gap in the numbers marks the partition as behind."""
        last = self._numbers[partition]
        if entry.number > last:
            if entry.number != last + 1:
                self.behind.add(partition)
                self._heard_from[partition] = entry.number - 1
            self._numbers[partition] = entry.number
        return self._keep(partition, entry, now_ns)

    def loaded(self, partition: int, number: int, entries: Iterable[Entry], now_ns: int) -> list[Entry]:
        """Take in a partition's stream as read at one instant, when it had had `number` entries; gives what was new.

        The partition is no longer behind, unless bells have left a gap since that instant.
        """
        new = [entry for entry in entries if self._keep(partition, entry, now_ns)]
        if number >= self._heard_from[partition]:
            self._numbers[partition] = max(self._numbers[partition], number)
            self.behind.discard(partition)
        return new

    def forget_numbers(self, partitions: Collection[int] = range(PARTITIONS)) -> None:
        """The connection to a server, or its epoch, changed: keep what is known, trust no number of its partitions."""
        self.behind.update(partitions)
        for partition in partitions:
            self._numbers[partition] = self._heard_from[partition] = 0

    def holdings(self, partitions: Collection[int] = range(PARTITIONS)) -> list[tuple[int, Entry]]:
        """Every entry held of these partitions, with its partition."""
        return [(partition, entry) for _since_ns, partition, entry in self._held.values() if partition in partitions]

    def prune(self, now_ns: int) -> None:
        """Forget what is older than `keep_ns`; cheap enough for every heartbeat."""
        kept, oldest_ns = self._kept, now_ns - self.keep_ns
        while kept and kept[0][0] <= oldest_ns:
            since_ns, kind, subject = kept.popleft()
            held = self._held.get((kind, subject))
            if held is None or held[0] != since_ns:
                continue  # a later entry took its place
            del self._held[kind, subject]
            if kind in _OF_AN_ACCOUNT:
                # A sign-out and a disabling are held apart: the younger one may still count.
                if held[2].generation >= self.generations.get(subject, 0):
                    self.generations.pop(subject, None)
            elif kind == "everybody":
                self.floors[held[1]] = 0
            else:
                self.revoked.discard(subject)

    def _keep(self, partition: int, entry: Entry, now_ns: int) -> bool:
        held = self._held.get((entry.kind, entry.subject))
        if entry.kind in _OF_AN_ACCOUNT:
            if held is not None and entry.generation <= held[2].generation:
                return False
            self.generations[entry.subject] = max(entry.generation, self.generations.get(entry.subject, 0))
        elif entry.kind == "everybody":
            if entry.generation <= self.floors[partition]:
                return False
            self.floors[partition] = entry.generation
        elif held is not None and entry.at_ms <= held[2].at_ms:
            # Read again after a reconnect: were it kept anew each time, memory would grow with the reconnects.
            return False
        else:
            self.revoked.add(entry.subject)
        self._held[entry.kind, entry.subject] = (now_ns, partition, entry)
        self._kept.append((now_ns, entry.kind, entry.subject))
        self.tell(partition, entry)
        return True
