"""What a warehouse tells the metrics: the ledger's sums of all that is committed."""

from collections import Counter
from pathlib import Path
from typing import Final

from .. import metrics
from .catalogue import read_catalogue

_OUTCOMES: Final = ("received", "good", "bad", "duplicate", "excluded")


def tell_ledger(warehouse: Path) -> None:
    """Hand over the sums, adjustments included; `received` is the sum of the others."""
    catalogue = read_catalogue(warehouse)
    sums: Counter[tuple[str, str]] = Counter()
    reasons: Counter[str] = Counter()
    for commit in catalogue.commits:
        for count in catalogue.counts_of(commit):
            for outcome in _OUTCOMES:
                sums[count.source, outcome] += getattr(count, outcome)
        for exclusion in catalogue.exclusions_of(commit):
            reasons[exclusion.reason] += exclusion.events
    for (source, outcome), events in sums.items():
        metrics.LEDGER.labels(source, outcome).set(events)
    for reason, events in reasons.items():
        metrics.EXCLUDED.labels(reason).set(events)
