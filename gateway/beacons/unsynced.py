"""What was written since the last good sync began: kept in memory, to be written again should the sync fail."""

from collections import Counter

from .group import Group, Outcome

#: So much is kept at most, in bytes. Reached while the disk stalls: at 10,000 hits a second after some five seconds.
MOST_BYTES = 32 * 1024 * 1024
#: What a payload takes besides its bytes.
_OBJECT_BYTES = 100


class Unsynced:
    """Groups of one journal, oldest first."""

    def __init__(self) -> None:
        self._groups: list[Group] = []
        #: Bytes of their payloads, of those that may have to be written again.
        self.size_bytes = 0
        self._gave_up = False

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def is_late(self) -> bool:
        """Whether nothing more may be written before a sync comes: somebody has waited too long, or it is full."""
        return self._gave_up or self.size_bytes >= MOST_BYTES

    @property
    def oldest_ns(self) -> int:
        """When the oldest of them was written; there must be one."""
        return self._groups[0].written_ns

    @property
    def has_waiting(self) -> bool:
        """Whether anybody waits for an answer."""
        return any(group.dones for group in self._groups)

    @property
    def records(self) -> int:
        """How many records they hold."""
        return sum(len(group.payloads) for group in self._groups)

    def add(self, group: Group) -> None:
        """A group was written."""
        self._groups.append(group)
        self.size_bytes += _size(group)

    def to_write_again(self) -> list[tuple[int, list[bytes]]]:
        """First number and payloads of each group that was answered as kept or still may be."""
        return [(group.number, group.payloads) for group in self._groups if group.payloads]

    def confirm(self, groups: int, outcomes: Counter[Outcome]) -> None:
        """The oldest so many are on the disk: a sync has come."""
        self._gave_up = False
        confirmed, self._groups = self._groups[:groups], self._groups[groups:]
        for group in confirmed:
            self.size_bytes -= _size(group)
            group.answer("kept", outcomes)

    def refuse_older(self, than_ns: int, outcomes: Counter[Outcome]) -> None:
        """Refuse those who have waited since before `than_ns`."""
        late = [group for group in self._groups if group.dones and group.written_ns <= than_ns]
        for group in late:
            self._refuse(group, "sync_late", outcomes)
            self._gave_up = True

    def refuse_waiting(self, outcomes: Counter[Outcome]) -> None:
        """Refuse everybody who waits: the disk has failed."""
        for group in self._groups:
            if group.dones:
                self._refuse(group, "sync_failed", outcomes)
        self._groups = [group for group in self._groups if group.payloads]

    def _refuse(self, group: Group, outcome: Outcome, outcomes: Counter[Outcome]) -> None:
        # It keeps its place, which a sync that is under way counts by; its bytes nobody needs any more.
        self.size_bytes -= _size(group)
        group.payloads = []
        group.answer(outcome, outcomes)


def _size(group: Group) -> int:
    return sum(map(len, group.payloads)) + _OBJECT_BYTES * len(group.payloads)
