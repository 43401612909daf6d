"""HOT, 1 µs a record: the worker's journal: one write per turn of the event loop, answers after it (group commit).

`fsync` says what an answer means. `always`: the record is on the disk. `interval`: it survives the death of any process
at once, and a power loss after at most `HOLD_NS`; when the oldest unsynced record is older than that, answers wait for
the sync. `never`: it survives the death of any process, and the operating system decides about the rest.
"""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeAlias

from .. import logs
from ..clock import Clock
from .alarm import Alarm
from .backlog import Backlog
from .disk_thread import DiskThread
from .group import Done, Group, Outcome
from .segment_file import Disk, SegmentFile, Segments
from .unsynced import Unsynced

Fsync: TypeAlias = Literal["interval", "always", "never"]
#: A sync begins this long after the first record it is for; with the time a sync takes, that keeps within HOLD_NS.
SYNC_AFTER_SECONDS: Final = 0.05
#: Older than this, an unsynced record makes the answers after it wait.
HOLD_NS: Final = 100_000_000
#: An answer waits no longer than this for a sync that does not come; then it is 503.
GIVE_UP_SECONDS: Final = 5.0
#: A segment is due a little late, since a loop's timers may fire a millisecond early.
_LATE_SECONDS: Final = 0.02
#: How often a journal that cannot write tries again.
RETRY_SECONDS: Final = 0.25
_log: Final = logs.get("beacons")


class Journal:
    """Appends payloads to segments in `directory`; used by one event loop, which it meets at the first append.

    A journal that cannot write, or may not (`Backlog`), refuses (`done(False)`), is not `healthy`, and tries again.
    """

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        fsync: Fsync = "interval",
        segment_max_bytes: int = 64 * 1024 * 1024,
        segment_max_seconds: float = 10.0,
        backlog_max_bytes: int = 0,
        disk_reserve_bytes: int = 0,
        disk: Disk | None = None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._boot_ns = clock.boot_ns
        self.fsync: Final = fsync
        self._max_bytes = segment_max_bytes
        self._max_ns = int(segment_max_seconds * 1e9)
        self._disk = disk or Disk()
        self.backlog = Backlog(directory, most_bytes=backlog_max_bytes, reserve_bytes=disk_reserve_bytes)
        #: How many hits were answered, by what they were told.
        self.outcomes: Counter[Outcome] = Counter()
        self._journal_id = random_bytes(8)
        self._segments = Segments(
            directory, clock, self._disk, self._journal_id, durable=fsync != "never", random_bytes=random_bytes
        )
        self._number = 0
        self._payloads, self._dones = list[bytes](), list[Done]()
        #: The segment that is written; None while the disk does not let us.
        self._segment: SegmentFile | None = None
        #: Segments that get no more records but are not finished yet; those whose last sync or cut failed.
        self._retiring, self._broken = list[SegmentFile](), list[SegmentFile]()
        self._unsynced = Unsynced()
        #: What of the journal's own care has failed in this turn and in the one before, as the log calls it.
        self._failing = self._failed = ""
        self._closed = False
        self._wake = asyncio.Event()
        self._alarm = Alarm(self._wake.set)
        self._patience = Alarm(self._give_up)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._thread = DiskThread("journal")
        self.backlog.measure()
        try:
            self._segment = self._segments.make()
        except OSError as error:
            _log.error("journal_unwritable", reason=str(error))

    @property
    def healthy(self) -> bool:
        """Whether a hit that comes now can be kept, as far as is known."""
        # Red readiness keeps hits away, so the question itself must get the journal going.
        with contextlib.suppress(RuntimeError):
            _ = self._loop or self._attach()
        self._wake.set()
        return self._segment is not None and self._refusal is None

    @property
    def _refusal(self) -> Outcome | None:
        return "sync_late" if self._unsynced.is_late else self.backlog.refusal

    def append(self, payload: bytes, done: Done) -> None:
        """Keep `payload` (not empty) with the others of this turn; `done` is called once, never from within.

        `done(True)` when it is kept as `fsync` says, `done(False)` when it could not be. Event-loop thread only.
        """
        payloads = self._payloads
        if not payloads:
            (self._loop or self._attach()).call_soon(self._flush)
        payloads.append(payload)
        self._dones.append(done)

    async def close(self) -> None:
        """Write, sync and finish everything; answers what waits. Later appends are refused."""
        self._flush()
        self._closed = True
        if self._keeper is None:
            self._attach()
        assert self._keeper is not None
        self._wake.set()
        await self._keeper
        self._thread.close()

    def _attach(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._keeper = self._loop.create_task(self._keep())
        self._wake.set()
        return self._loop

    def _flush(self) -> None:
        """The group commit: one write for all records of this turn."""
        payloads, dones = self._payloads, self._dones
        if not payloads:
            return
        self._payloads, self._dones = [], []
        segment, number = self._segment, self._number
        # Used once, even if the write fails: what is left of it must not pass for a copy of a later record.
        self._number = number + len(payloads)
        group = Group(number, payloads, dones)
        refusal = self._refusal
        if segment is None or self._closed or refusal is not None:
            group.answer("closed" if self._closed else refusal or "unwritable", self.outcomes)
            return
        data = segment.frames.encode(payloads, segment.size, self._journal_id, number)
        failure = segment.write(self._disk, data)
        if failure is None:
            self.backlog.grew(len(data))
            self._written(segment, group)
        else:
            self._retire_after_failure(segment, failure)
            group.answer("write_failed", self.outcomes)

    def _written(self, segment: SegmentFile, group: Group) -> None:
        """Answer at once, or when the sync has come."""
        group.written_ns = self._boot_ns()
        if not segment.records:
            self._began(segment, group.written_ns)
        segment.records += len(group.payloads)
        if segment.size >= self._max_bytes:
            self._wake.set()
        if self.fsync != "never":
            self._unsynced.add(group)
            if self.fsync == "always" or group.written_ns - self._unsynced.oldest_ns > HOLD_NS:
                self._wake.set()
                self._patience.within(GIVE_UP_SECONDS)
                return
            if len(self._unsynced) == 1:
                self._alarm.within(SYNC_AFTER_SECONDS)
        segment.answered_size = segment.size
        group.answer("kept", self.outcomes)

    def _retire_after_failure(self, segment: SegmentFile, reason: str) -> None:
        """Cut off what a failed write has left, and write no more to this segment."""
        _log.error("journal_write_failed", reason=reason)
        segment.cut(self._disk, segment.size)
        self._segment = None
        self._retiring.append(segment)
        self._wake.set()

    def _began(self, segment: SegmentFile, now_ns: int) -> None:
        """A segment has its first record: it is due in a while, also if no hit follows."""
        segment.first_record_ns = now_ns
        self._alarm.within(self._max_ns / 1e9 + _LATE_SECONDS)

    def _give_up(self) -> None:
        """Refuse those who have waited too long for a sync."""
        self._unsynced.refuse_older(self._boot_ns() - int(GIVE_UP_SECONDS * 1e9), self.outcomes)
        if self._unsynced.has_waiting:
            self._patience.within(GIVE_UP_SECONDS)

    async def _keep(self) -> None:
        """Sync, rotate and recover, one after the other, whenever woken; nothing but `close` ends it."""
        while not self._closed:
            await self._wake.wait()
            self._wake.clear()
            self._failed, self._failing = self._failing, ""
            try:
                if self.backlog.is_due(self._boot_ns()):
                    await self._thread.run(self.backlog.measure)
                if self._segment is not None:
                    await self._sync()
                if self._segment is None:
                    await self._recover()
            except Exception as error:
                self._fails("journal_care_failed", error)
            self._set_alarm()
        self._alarm.cancel()
        await self._wind_up()

    def _fails(self, event: str, error: Exception) -> None:
        if event != self._failed:
            _log.error(event, reason=str(error))
        self._failing = event

    def _set_alarm(self) -> None:
        """For whatever is due next."""
        if self._failing or self._segment is None or self.backlog.refusal is not None:
            self._alarm.within(RETRY_SECONDS)
        elif self._unsynced.has_waiting:
            self._wake.set()
        elif self._unsynced:
            self._alarm.within(SYNC_AFTER_SECONDS)
        if self._segment is not None and self._segment.records:
            due_ns = self._segment.first_record_ns + self._max_ns - self._boot_ns()
            self._alarm.within(max(due_ns / 1e9 + _LATE_SECONDS, RETRY_SECONDS if self._failing else 0.0))

    async def _sync(self) -> None:
        """Begin a new segment if it is time, finish the old one, confirm what was written before."""
        segment = self._segment
        if segment is not None and segment.is_due(self._boot_ns(), self._max_ns, self._max_bytes):
            try:
                fresh = await self._thread.run(self._segments.make)
            except OSError as error:
                self._fails("journal_rotation_failed", error)
            else:
                if self._segment is segment:
                    self._retiring.append(segment)
                self._segment = fresh
        current, retiring, self._retiring = self._segment, self._retiring, []
        if not retiring and (current is None or not self._unsynced):
            return
        confirmed, answered = len(self._unsynced), 0 if current is None else current.size
        failed = await self._thread.run(lambda: self._segments.settle(retiring, current))
        if not failed:
            self._confirm(confirmed)
            if current is not None:
                current.answered_size = max(current.answered_size, answered)
            return
        self._broken += [segment for segment in failed if segment not in self._retiring]
        if self._segment is current:
            self._segment = None
            if current is not None and current not in failed:
                self._retiring.append(current)

    async def _recover(self) -> bool:
        """Make a new segment and write to it again what stood in a broken one; False if the disk does not let us."""
        retiring, self._retiring = self._retiring, []
        self._broken += await self._thread.run(lambda: self._segments.settle(retiring, None))
        if not self._broken:
            self._confirm(len(self._unsynced))
        kept = self._unsynced.to_write_again()
        try:
            fresh = await self._thread.run(lambda: self._segments.write_again(kept))
        except OSError:
            await self._thread.run(lambda: self._segments.cut_unanswered(self._broken))
            self._unsynced.refuse_waiting(self.outcomes)
            return False
        if fresh.records:
            self._began(fresh, self._boot_ns())
        self._confirm(len(self._unsynced))
        broken, self._broken = self._broken, []
        await self._thread.run(lambda: self._segments.let_go(broken))
        self._segment = fresh
        _log.info("journal_recovered")
        return True

    async def _wind_up(self) -> None:
        """Leave every segment finished, and nobody waiting."""
        if self._segment is not None:
            self._retiring.append(self._segment)
            self._segment = None
        retiring, self._retiring = self._retiring, []
        self._broken += await self._thread.run(lambda: self._segments.settle(retiring, None))
        if not self._broken:
            self._confirm(len(self._unsynced))
            return
        if not await self._recover():
            _log.error("journal_closed_broken", unsynced=self._unsynced.records)
            return
        assert self._segment is not None
        last, self._segment = [self._segment], None
        await self._thread.run(lambda: self._segments.settle(last, None))

    def _confirm(self, groups: int) -> None:
        self._unsynced.confirm(groups, self.outcomes)
