"""Counting a segment: what became of each event, by source and hour, and which record numbers it held."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final

from .commits import Count, Run

#: The source of what is in the journal and is no hit of ours.
UNKNOWN: Final = "unknown"


def hour_of(at_ms: int) -> str:
    """The hour of an instant, UTC, as "2026-11-24T09"."""
    hour = _HOURS.get(at_ms // 3_600_000)
    if hour is None:
        hour = _hour_text(at_ms // 3_600_000)
        if len(_HOURS) > 1_000:
            _HOURS.clear()
        _HOURS[at_ms // 3_600_000] = hour
    return hour


_HOURS: Final[dict[int, str]] = {}
#: Hours since the epoch that have a date of four digits.
_MAX_HOUR: Final = 70_000_000


def _hour_text(hour: int) -> str:
    # A payload that is damaged in a way no checksum finds may name any time.
    return datetime.fromtimestamp(min(max(hour, 0), _MAX_HOUR) * 3_600, UTC).strftime("%Y-%m-%dT%H")


class Tally:
    """Counts by source and hour."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Count] = {}

    def of(self, source: str, hour: str) -> Count:
        """The counts of one source and hour, to be raised."""
        key = (source, hour)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = Count(source, hour)
        return count

    def counts(self) -> list[Count]:
        """All counts, by hour and source."""
        return sorted(self._counts.values(), key=lambda count: (count.hour, count.source))


def rate_at_end(times_ms: list[int]) -> int:
    """Hits a second in the second up to the last one, or since the first; a clock that jumps begins anew.

    A span of less than 100 ms counts as that.
    """
    if not times_ms:
        return 0
    last = times_ms[-1]
    recent = list(takewhile(lambda at_ms: last - 1_000 < at_ms <= last, reversed(times_ms)))
    return round(len(recent) * 1_000 / max(last - min(recent), 100))


class Numbers:
    """The record numbers of a segment as runs, and which records were there before: here or in another segment.

    `others` gives the runs of other segments that share numbers with a run.
    """

    def __init__(self, others: Callable[[Run], list[Run]]) -> None:
        self._others = others
        self._runs: dict[str, list[Run]] = {}
        self._highest: dict[str, int] = {}

    def copies(self, records: list[tuple[str, int]]) -> set[int]:
        """Which of the next records (journal, number) were met before, by their place; the others are taken down."""
        if self._goes_on(records):
            return set()
        spans: dict[str, Run] = {}
        for journal, number in records:
            span = spans.get(journal)
            if span is None:
                spans[journal] = Run(journal, number, number)
            elif not span.first <= number <= span.last:
                spans[journal] = Run(journal, min(span.first, number), max(span.last, number))
        before = {journal: self._others(span) for journal, span in spans.items()}
        return {at for at, (journal, number) in enumerate(records) if self._is_copy(journal, number, before[journal])}

    def _goes_on(self, records: list[tuple[str, int]]) -> bool:
        """Whether these are one journal's next numbers, met nowhere else: 0.1 µs a record, not 0.6."""
        if not records:
            return True
        journal, first = records[0]
        last = first + len(records) - 1
        runs = self._runs.setdefault(journal, [])
        if first <= self._highest.get(journal, -1) or any(
            record != (journal, number) for number, record in enumerate(records, first)
        ):
            return False
        if self._others(Run(journal, first, last)):
            return False
        self._highest[journal] = last
        if runs and runs[-1].last == first - 1:
            runs[-1] = Run(journal, runs[-1].first, last)
        else:
            runs.append(Run(journal, first, last))
        return True

    def _is_copy(self, journal: str, number: int, before: list[Run]) -> bool:
        if before and any(run.first <= number <= run.last for run in before):
            return True
        mine = self._runs.setdefault(journal, [])
        # A journal counts upwards, so only a segment put together by hand needs the search.
        highest = self._highest.get(journal, -1)
        if number <= highest and any(run.first <= number <= run.last for run in mine):
            return True
        self._highest[journal] = max(number, highest)
        if mine and number == mine[-1].last + 1:
            mine[-1] = Run(journal, mine[-1].first, number)
        else:
            mine.append(Run(journal, number, number))
        return False

    def runs(self) -> list[Run]:
        """The runs of the records that were no copies."""
        return [run for runs in self._runs.values() for run in runs]
