"""The shipper: takes every segment that nobody writes, ships it, commits it, deletes it; one or several at a time.

What becomes of a warehouse afterwards is not its business: see housekeeping/house.py.

warehouse/shipper-1.lock     held by the first shipper, -2 by the second, …
warehouse/shipper-1.trying   the segment that it is at work on (held_up.py)
"""

import contextlib
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from latchstring_middleware.forwarded import TrustedProxies

from .. import logs
from ..background import Turns, Work
from ..beacons.segment import ids_of_name
from ..clock import Clock
from ..devices.place import Places
from ..ids import to_text
from .catch_up import catch_up
from .claim import claimed, read_whole, segments_in, sweep_unborn
from .commits import Commits
from .durable import make_directory
from .enrich import Senders
from .held_up import HeldUp
from .keeping import Policies, nobody
from .locks import LockedError, locked
from .seen import Seen
from .ship import SegmentShipper
from .steps import Step

JOURNAL: Final = "journal"
WAREHOUSE: Final = "warehouse"

#: How long the loop rests when there is nothing to ship.
REST_SECONDS: Final = 0.5
_FORGET_EVERY_MS: Final = 3_600_000
#: Within which each step of the loop has a turn, with room for a segment that is long and a disk that is slow.
_WITHIN_SECONDS: Final = 120.0
_DISK_REMEDY: Final = "see that journal and warehouse can be read and written, and that the disk is not full"
_HELD_UP_REMEDY: Final = "find segment_held_up in the log: it names the segments; see that the warehouse can be written"

_log: Final = logs.get("shipping")


class AnotherShipperError(RuntimeError):
    """Another process ships into this warehouse under the same number."""

    def __str__(self) -> str:
        return f"another shipper is at work on {self.args[0]}; stop it, or use another number or data directory"


class Shipper:
    """Ships `data_dir`/journal into `data_dir`/warehouse; a context manager that holds the lock of its number.

    Any number of shippers share the work, each under a number of its own. Raises AnotherShipperError when entered while
    another process has the same. `trusted` are the proxies whose word about client address and request id is taken;
    an address is looked up in `places`, and its network kept or not.
    `policies` say what may be kept of each event, `forget` hears the time once an hour.
    """

    def __init__(
        self,
        data_dir: Path,
        clock: Clock,
        trusted: TrustedProxies,
        *,
        places: Places | None = None,
        keep_network: bool = True,
        policies: Policies = nobody,
        forget: Callable[[int], object] = lambda _now_ms: None,
        number: int = 1,
    ) -> None:
        self._number = number
        self._journal = data_dir / JOURNAL
        self._warehouse = data_dir / WAREHOUSE
        self._clock = clock
        self._senders = Senders(trusted, places, keep_network=keep_network)
        self._policies = policies
        self._forget_more = forget
        self._open = contextlib.ExitStack()
        self._forgot_at_ms = 0

    def __enter__(self) -> "Shipper":
        make_directory(self._warehouse)
        make_directory(self._journal)
        with contextlib.ExitStack() as opening:
            try:
                opening.enter_context(locked(self._warehouse / f"shipper-{self._number}.lock"))
            except LockedError:
                raise AnotherShipperError(self._warehouse) from None
            self._commits = Commits(self._warehouse)
            self._seen = Seen(self._warehouse)
            opening.callback(self._seen.close)
            self._segments = SegmentShipper(
                self._warehouse, self._clock, self._senders, self._commits, self._seen, self._policies
            )
            sweep_unborn(self._journal)
            with self._seen.watched():
                catch_up(self._seen, self._commits, self._journal, now_ms=self._clock.wall_ms())
            self._held_up = HeldUp(self._clock, self._warehouse / f"shipper-{self._number}.trying")
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._open.close()

    def ship_once(self) -> int:
        """Ship every segment that nobody writes, also those that failed before; gives how many are done.

        One that cannot be shipped does not hold up the others; its error is raised in the end.
        """
        failures: list[Exception] = []
        done = self._ship_all(lambda _: True, failures.append)
        self._forget()
        if failures:
            raise failures[-1]
        return done

    def _ship_all(
        self,
        is_due: Callable[[str], bool],
        failed: Callable[[Exception], object],
        shipped: Callable[[], object] = lambda: None,
    ) -> int:
        """Ship those segments that are due, and hear of each what became of it; gives how many are done."""
        done = 0
        paths = segments_in(self._journal)
        self._held_up.keep(path.name for path in paths)
        for path in paths:
            if not is_due(path.name):
                continue
            with claimed(path) as descriptor:
                if descriptor is None:
                    continue
                self._held_up.begin(path.name)
                try:
                    with self._seen.watched():
                        self._ship(path, descriptor)
                except Exception as error:
                    self._held_up.failed(path.name, error)
                    failed(error)
                else:
                    self._held_up.shipped(path.name)
                    done += 1
                    shipped()
                self._held_up.end()
                if not gc.isenabled():
                    gc.collect()
        return done

    def run(self, stop: threading.Event, work: Work | None = None) -> None:
        """Ship until told to stop, and do what is due besides; none of it stops any other.

        A segment that cannot be shipped stays in the journal and is tried again, later and later. Raises
        IndexReplacedError when the index is another file by now: begin again with a new Shipper.
        """
        work = work or Work(self._clock)

        def task(name: str, remedy: str) -> Turns:
            return work.task(name, within_seconds=_WITHIN_SECONDS, remedy=remedy)

        ships = task("ship", _DISK_REMEDY)
        segments = task("ship_segments", _HELD_UP_REMEDY)

        def shipped() -> None:
            ships.done()
            # A long backlog is one turn of many minutes: nothing else waits for its end.
            forgetting.turn()

        def ship() -> bool:
            done = self._ship_all(self._held_up.is_due, segments.failed, shipped)
            if not self._held_up:
                segments.done()
            return bool(done)

        shipping = Step(ships, ship, self._clock)
        forgetting = Step(task("forget", _DISK_REMEDY), self._forget, self._clock, every_seconds=60)
        while not stop.is_set():
            forgetting.turn()
            shipping.turn()
            self._seen.check()
            stop.wait(REST_SECONDS)

    def _ship(self, path: Path, descriptor: int) -> None:
        segment = to_text(ids_of_name(path.name)[0])
        if not (self._commits.has(segment) or self._seen.is_committed(segment)):
            data = read_whole(descriptor)
            commit = self._segments.ship(path, data)
            if commit is not None:
                _log.info("segment_shipped", segment=segment, records=commit.records, bytes=len(data))
            if commit is not None and (commit.damaged or commit.rebooted):
                _log.error("segment_damaged", segment=segment, ranges=len(commit.damaged), rebooted=commit.rebooted)
        path.unlink()

    def _forget(self) -> None:
        """Let others forget what is too old, once an hour."""
        now_ms = self._clock.wall_ms()
        if not 0 <= now_ms - self._forgot_at_ms <= _FORGET_EVERY_MS:
            self._forget_more(now_ms)
            self._forgot_at_ms = now_ms
