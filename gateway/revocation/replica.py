"""HOT (0.2 µs): what this worker knows to be revoked. Pure.

Only what can still matter is kept: entries of the last two `lease_max`, since an older lease is over anyway and a
longer-lived token goes to the store. A million revocations a day at 300 s leases is about 3,500 entries per lease.
"""

from collections import deque
from collections.abc import Iterable

from ..store.keys import PARTITIONS
from .entry import Entry


class Replica:
    """Revoked device and session ids, raised account generations, and the last number applied per partition."""

    __slots__ = ("_held", "_kept", "_numbers", "behind", "generations", "keep_ns", "revoked")

    def __init__(self, keep_seconds: float) -> None:
        self.keep_ns = round(keep_seconds * 1e9)
        self.revoked: set[str] = set()
        self.generations: dict[str, int] = {}
        #: Partitions whose numbers have a gap, or that have not been loaded: read again before a fence renews.
        self.behind: set[int] = set(range(PARTITIONS))
        self._held: dict[tuple[str, str], tuple[int, int, Entry]] = {}
        self._kept: deque[tuple[int, str, str]] = deque()
        self._numbers = [0] * PARTITIONS

    def is_revoked(self, session: str, device: str, account: str, generation: int) -> bool:
        """Whether a lease with these ids is known to be revoked."""
        revoked = self.revoked
        return session in revoked or device in revoked or generation < self.generations.get(account, 0)

    def apply(self, partition: int, entry: Entry, now_ns: int) -> None:
        """Take in an entry from the bell; a gap in the numbers marks the partition as behind."""
        last = self._numbers[partition]
        if partition not in self.behind and entry.number > last + 1:
            self.behind.add(partition)
        if entry.number > last:
            self._numbers[partition] = entry.number
        self._keep(partition, entry, now_ns)

    def loaded(self, partition: int, number: int, entries: Iterable[Entry], now_ns: int) -> None:
        """Take in a partition's stream as read at one instant, when it had had `number` entries.

        Bells since the subscription arrived in order and without a gap, so the larger number is the right one.
        """
        for entry in entries:
            self._keep(partition, entry, now_ns)
        self._numbers[partition] = max(self._numbers[partition], number)
        self.behind.discard(partition)

    def forget_numbers(self) -> None:
        """The connection or the store's epoch changed: keep what is known, trust no number."""
        self.behind.update(range(PARTITIONS))
        self._numbers = [0] * PARTITIONS

    def holdings(self) -> list[tuple[int, Entry]]:
        """Every entry held, with its partition."""
        return [(partition, entry) for _until_ns, partition, entry in self._held.values()]

    def prune(self, now_ns: int) -> None:
        """Forget what is older than `keep_ns`; cheap enough for every heartbeat."""
        kept = self._kept
        while kept and kept[0][0] <= now_ns:
            until_ns, kind, subject = kept.popleft()
            if self._held[kind, subject][0] != until_ns:
                continue  # renewed since by a later entry
            del self._held[kind, subject]
            if kind == "account":
                self.generations.pop(subject, None)
            else:
                self.revoked.discard(subject)

    def _keep(self, partition: int, entry: Entry, now_ns: int) -> None:
        until_ns = now_ns + self.keep_ns
        self._held[entry.kind, entry.subject] = (until_ns, partition, entry)
        self._kept.append((until_ns, entry.kind, entry.subject))
        if entry.kind == "account":
            self.generations[entry.subject] = max(entry.generation, self.generations.get(entry.subject, 0))
        else:
            self.revoked.add(entry.subject)
