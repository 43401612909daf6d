"""The shipper: takes every segment that nobody writes, ships it, commits it, deletes it; one or several at a time.

warehouse/shipper-1.lock     held by the first shipper, -2 by the second, …
warehouse/shippers.lock      held by all of them together; by one alone, while it sweeps
"""

import contextlib
import gc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from latchstring_middleware.forwarded import TrustedProxies

from .. import logs
from ..beacons.segment import ids_of_name
from ..clock import Clock
from ..devices.place import Places
from ..housekeeping.eraser import Eraser
from ..housekeeping.retention import Keeper
from ..ids import to_text
from . import cells
from .claim import claimed, read_whole, segments_in, sweep_unborn
from .commits import Commits
from .durable import TEMPORARY_SUFFIX, make_directory
from .enrich import Senders
from .erasures import Erasures
from .keeping import Policies, nobody
from .leftovers import leftovers
from .locks import KEEPER, SHIPPERS, LockedError, alone, first_alone, locked
from .pseudonyms import Pseudonyms
from .restore import restore
from .seen import Seen
from .ship import SegmentShipper
from .telling import tell_ledger

JOURNAL: Final = "journal"
WAREHOUSE: Final = "warehouse"

#: How long the loop rests when there is nothing to ship.
REST_SECONDS: Final = 0.5
#: How long it rests when the warehouse could not take a segment.
RETRY_SECONDS: Final = 5.0
_FORGET_EVERY_MS: Final = 3_600_000
#: How often the metrics hear of the ledger's sums.
_TELL_EVERY_NS: Final = 5_000_000_000

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
    `policies` say what may be kept of each event, `forget` hears the time once an hour, `keep_days` says for how long
    (0: for ever), `sends` whether a sender sends everything on, before which nothing may go. The first of them also
    keeps the warehouse small.
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
        pseudonyms: Pseudonyms | None = None,
        forget: Callable[[int], object] = lambda _now_ms: None,
        number: int = 1,
        keep_days: int = 0,
        sends: bool = False,
    ) -> None:
        self._number = number
        self._journal = data_dir / JOURNAL
        self._warehouse = data_dir / WAREHOUSE
        self._clock = clock
        self._senders = Senders(trusted, places, keep_network=keep_network)
        self._policies = policies
        self._pseudonyms = pseudonyms
        self._eraser: Eraser | None = None
        self._forget_more = forget
        self._keep_days = keep_days
        self._sends = sends
        self._erasures = Erasures(self._warehouse)
        self._open = contextlib.ExitStack()
        self._forgot_at_ms = 0
        self._told_ns = -_TELL_EVERY_NS

    def __enter__(self) -> "Shipper":
        make_directory(self._warehouse)
        self._journal.mkdir(parents=True, exist_ok=True)
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
            may_go = self._seen.is_sent if self._sends else lambda _: True
            committed = self._seen.holds_already
            self._keeper = Keeper(
                self._warehouse, self._clock, keep_days=self._keep_days, committed=committed, may_go=may_go
            )
            if self._pseudonyms is not None:
                self._eraser = Eraser(
                    self._warehouse,
                    self._journal,
                    self._clock,
                    self._pseudonyms,
                    committed=committed,
                    may_go=may_go,
                )
            sweep_unborn(self._journal)
            with first_alone(opening, self._warehouse / SHIPPERS) as is_alone:
                # Another shipper's half-made files are no leftovers.
                if is_alone:
                    self._sweep_uncommitted()
            # Nobody may fold or erase what is being put together.
            with alone(self._warehouse / KEEPER):
                if restore(self._seen, self._warehouse, self._journal, self._clock):
                    # It may have come from a backup, or from a node that knew nothing of them.
                    self._erasures.begin_again()
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._open.close()

    def ship_once(self) -> int:
        """Ship every segment that nobody writes; gives how many are done.

        One that cannot be shipped does not hold up the others; its error is raised in the end.
        """
        done = 0
        failure: Exception | None = None
        for path in segments_in(self._journal):
            with claimed(path) as descriptor:
                if descriptor is not None:
                    try:
                        self._ship(path, descriptor)
                        done += 1
                    except Exception as error:
                        _log.exception("segment_not_shipped", segment=path.name)
                        failure = error
                    if not gc.isenabled():
                        gc.collect()
        self._forget()
        if failure is not None:
            raise failure
        return done

    def run(self, stop: threading.Event) -> None:
        """Ship until told to stop. What cannot be shipped stays in the journal and is tried again."""
        while not stop.is_set():
            rest = REST_SECONDS
            try:
                self._tell()
                # Hits come first: a warehouse is kept when nothing waits to be shipped.
                if not self.ship_once() and self.tidy():
                    continue
            except Exception as error:
                # One bad day of the disk, or one segment that is a riddle, must not end the shipper.
                _log.error("shipping_failed", reason=str(error), retry_seconds=RETRY_SECONDS)
                rest = RETRY_SECONDS
            stop.wait(rest)

    def _tell(self) -> None:
        now_ns = self._clock.boot_ns()
        if self._number == 1 and now_ns - self._told_ns > _TELL_EVERY_NS:
            self._told_ns = now_ns
            tell_ledger(self._warehouse)

    def tidy(self) -> bool:
        """Erase, or keep the warehouse small, if this is the first shipper; False if nothing was due."""
        return self._number == 1 and ((self._eraser is not None and self._eraser.advance()) or self._keeper.keep())

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

    def _sweep_uncommitted(self) -> None:
        """Remove what a shipper that died has left: files that no commit record names, and half-made ones."""
        cells.remove_unfinished(self._warehouse)
        for path in (*leftovers(self._warehouse), *self._warehouse.rglob(f"*{TEMPORARY_SUFFIX}")):
            path.unlink(missing_ok=True)

    def _forget(self) -> None:
        now_ms = self._clock.wall_ms()
        if now_ms - self._forgot_at_ms > _FORGET_EVERY_MS:
            self._forgot_at_ms = now_ms
            self._seen.forget(now_ms)
            if self._keep_days:
                self._erasures.forget(now_ms - self._keep_days * 86_400_000)
            self._forget_more(now_ms)
