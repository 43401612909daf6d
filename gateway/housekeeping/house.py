"""Everything that keeps a warehouse right and small, beside the shippers: one thing at a time, each in its turn.

index       takes in what is committed and missing in the index (index_rebuild.py)
erase       carries erasures out (eraser.py)
keep        compacts, expires, removes, sums up and trims (retention.py)
forget      drops from the index what no retry can match any more, and erasures that are over
sweep       removes what a process left behind that died between making files and recording them
metrics     publishes the ledger's sums

Only these make shippers wait, and for how long: `index` and `forget` hold the index's lock (`seen.lock`) for the time
it takes to claim 10,000 rows or to look at 5,000 keys, some 50 ms. Nothing else here takes a lock that a shipper takes.
"""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .. import metrics
from ..background import Work
from ..clock import Clock
from ..shipping.catalogue import Records
from ..shipping.durable import make_directory
from ..shipping.erasures import Erasures
from ..shipping.locks import KEEPER, LockedError, locked
from ..shipping.pseudonyms import Pseudonyms
from ..shipping.run import JOURNAL, WAREHOUSE
from ..shipping.seen import Seen
from ..shipping.steps import Step
from .eraser import Eraser
from .forgetting import Forgetting
from .index_rebuild import IndexRebuild
from .ledger_metrics import LedgerMetrics
from .retention import Keeper
from .sweep import sweep

#: How long the loop rests when nothing was due, and between two acts, so that others get the locks.
REST_SECONDS: Final = 1.0
BREATH_SECONDS: Final = 0.02
_METRICS_SECONDS: Final = 5.0
_SWEEP_SECONDS: Final = 6 * 3_600.0
#: Within which each task has a whole turn. The longest act is the compaction of a day: some 10 s a million events.
WITHIN_SECONDS: Final = 3_600.0

_REMEDY: Final = "see that the warehouse can be read and written and that the disk is not full; the log names the file"


class House:
    """Keeps the house of `data_dir`; a context manager that holds its index open.

    `pseudonyms` are needed for erasures, `keep_days` says for how long events are kept (0: for ever), `sends` whether a
    sender sends everything on, before which nothing may go.
    """

    def __init__(
        self,
        data_dir: Path,
        clock: Clock,
        *,
        pseudonyms: Pseudonyms | None = None,
        keep_days: int = 0,
        sends: bool = False,
    ) -> None:
        self._journal = data_dir / JOURNAL
        self._warehouse = data_dir / WAREHOUSE
        self._clock = clock
        self._pseudonyms = pseudonyms
        self._keep_days = keep_days
        self._sends = sends
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "House":
        make_directory(self._warehouse)
        make_directory(self._journal)
        seen = self._seen = Seen(self._warehouse)
        self._open.callback(seen.close)
        records = Records(self._warehouse)
        self.rebuild = IndexRebuild(self._warehouse, self._journal, self._clock, seen, records)

        def may_go(record: str) -> bool:
            return record not in self.rebuild.missing and (not self._sends or seen.is_sent(record))

        self.keeper = Keeper(
            self._warehouse,
            self._clock,
            journal=self._journal,
            keep_days=self._keep_days,
            committed=seen.holds_already,
            may_go=may_go,
            removed=seen.forget_sent,
            records=records,
        )
        self.eraser = self._make_eraser(seen, records, may_go)
        self.metrics = LedgerMetrics(records)
        self.forgetting = Forgetting(seen, self._journal, self._clock)
        self._erasures = Erasures(self._warehouse)
        self._forgot_at_ms = 0
        return self

    def _make_eraser(self, seen: Seen, records: Records, may_go: Callable[[str], bool]) -> Eraser | None:
        if self._pseudonyms is None:
            return None
        return Eraser(
            self._warehouse,
            self._journal,
            self._clock,
            self._pseudonyms,
            committed=seen.holds_already,
            may_go=may_go,
            records=records,
        )

    def __exit__(self, *_exception: object) -> None:
        self._open.close()

    def run(self, stop: threading.Event, work: Work) -> None:
        """Keep house until told to stop; what one of the tasks raises stops no other.

        Raises IndexReplacedError when the index is another file by now: begin again with a new House.
        """

        def step(name: str, act: Callable[[], object], every_seconds: float = 0) -> Step:
            turns = work.task(f"housekeeping_{name}", within_seconds=WITHIN_SECONDS, remedy=_REMEDY)
            return Step(turns, self._seen.watched()(act), self._clock, every_seconds=every_seconds)

        steps = [
            step("sweep", self.sweep, _SWEEP_SECONDS),
            step("index", self.take_in),
            step("erase", self.erase),
            step("keep", self.keeper.keep),
            step("forget", self.forget),
            step("metrics", self.publish, _METRICS_SECONDS),
        ]
        while not stop.is_set():
            # Each has its turn in every round, so none that has much to do keeps another from its own.
            busy = [one.turn() for one in steps]
            self._seen.check()
            stop.wait(BREATH_SECONDS if any(busy) else REST_SECONDS)

    def tidy(self) -> bool:
        """Do the next thing that is due of all but sweeping and metrics; False if nothing is."""
        return self.take_in() or self.erase() or self.keeper.keep() or self.forget()

    def take_in(self) -> bool:
        """Take one committed segment into the index that is missing there; False if none is."""
        try:
            with locked(self._warehouse / KEEPER):
                return self.rebuild.step()
        except LockedError:
            return False

    def erase(self) -> bool:
        """Take the next step of the erasures; False if none can be taken."""
        return self.eraser is not None and self.eraser.advance()

    def sweep(self) -> None:
        """Remove leftovers."""
        with contextlib.suppress(LockedError), locked(self._warehouse / KEEPER):
            sweep(self._warehouse, self._journal, self._clock, keep_days=self._keep_days)

    def publish(self) -> None:
        """Publish the ledger's sums, what the index lacks, and how long an erasure has waited, for which files too."""
        self.metrics.publish()
        metrics.INDEX_MISSING.set(len(self.rebuild.missing))
        under_way = self._erasures.under_way()
        metrics.ERASURE_UNREAD.set(len({path for erasure in under_way for path in erasure.unread}))
        asked_ms = [erasure.requested_at_ms for erasure in under_way]
        metrics.ERASURE_SECONDS.set(max(0, self._clock.wall_ms() - min(asked_ms)) / 1_000 if asked_ms else 0)

    def forget(self) -> bool:
        """Forget what is too old; True if there is more."""
        now_ms = self._clock.wall_ms()
        if not 0 <= now_ms - self._forgot_at_ms < 3_600_000:
            self._forgot_at_ms = now_ms
            if self._keep_days:
                self._erasures.forget(now_ms - self._keep_days * 86_400_000)
        return self.forgetting.step()
