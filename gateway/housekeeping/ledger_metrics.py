"""What a warehouse tells the metrics: the ledger's sums of all that is committed."""

from collections import Counter
from typing import Final, NamedTuple

from .. import logs, metrics
from ..shipping.adjustments import Adjustment
from ..shipping.catalogue import Records
from ..shipping.commits import Commit, Count, Exclusion
from ..shipping.unreadable import Unreadable

_OUTCOMES: Final = ("received", "good", "bad", "duplicate", "excluded")

_log: Final = logs.get("housekeeping")


class _Sums(NamedTuple):
    """By source and outcome; excluded by reason."""

    counts: Counter[tuple[str, str]]
    excluded: Counter[str]


class LedgerMetrics:
    """Publishes the sums of one warehouse. Each record is added up once, whenever it is read."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._known: dict[str, _Sums] = {}
        self._unreadable: set[Unreadable] = set()

    def publish(self) -> None:
        """Hand over the sums, adjustments included; `received` is the sum of the others."""
        catalogue = self._records.catalogue()
        records: list[Commit | Adjustment] = [*catalogue.commits, *catalogue.adjustments]
        known, total = dict[str, _Sums](), _Sums(Counter(), Counter())
        for record in records:
            name = record.id if isinstance(record, Adjustment) else record.segment
            sums = self._known.get(name)
            if sums is None:
                sums = _sums(record.changes if isinstance(record, Adjustment) else record.counts, record.exclusions)
            known[name] = sums
            total.counts.update(sums.counts)
            total.excluded.update(sums.excluded)
        self._known = known
        self._tell_unreadable(catalogue.unreadable)
        for (source, outcome), events in total.counts.items():
            metrics.LEDGER.labels(source, outcome).set(events)
        for reason, events in total.excluded.items():
            metrics.EXCLUDED.labels(reason).set(events)
        # An adjustment moves events from one outcome to another, so this holds at any moment.
        of_outcome = Counter[str]()
        for (_source, outcome), events in total.counts.items():
            of_outcome[outcome] += events
        metrics.LEDGER_DIFFERENCE.set(2 * of_outcome["received"] - of_outcome.total())
        metrics.LEDGER_DAMAGED.set(sum(commit.damaged_bytes for commit in catalogue.commits))

    def _tell_unreadable(self, found: list[Unreadable]) -> None:
        metrics.UNREADABLE_RECORDS.set(len(found))
        for one in found:
            if one not in self._unreadable:
                _log.error("record_unreadable", file=one.path, reason=one.reason, remedy="put it back from a backup")
        self._unreadable = set(found)


def _sums(counts: list[Count], exclusions: list[Exclusion]) -> _Sums:
    sums = _Sums(Counter(), Counter())
    for count in counts:
        for outcome in _OUTCOMES:
            sums.counts[count.source, outcome] += getattr(count, outcome)
    for exclusion in exclusions:
        sums.excluded[exclusion.reason] += exclusion.events
    return sums
