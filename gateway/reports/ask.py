"""A question in, an answer out: reads the committed events and their sums, changes nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
from msgspec import structs

from ..clock import Clock
from ..shipping.catalogue import read_catalogue
from ..shipping.pending import oldest_pending_ms
from ..shipping.run import JOURNAL, WAREHOUSE
from . import funnel, live, tables, viewing
from .answer import Answer
from .damaged import refuse_damaged
from .events import MEMORY_MB, Days, committed_events, days_of
from .finding import Finding
from .question import Question

_FIND: Final[dict[str, Callable[[duckdb.DuckDBPyConnection, Question], Finding]]] = {
    "funnel": funnel.find,
    "viewing": viewing.find,
}


def ask(data_dir: Path, asked: Question, clock: Clock, *, memory_mb: int = MEMORY_MB) -> Answer:
    """The answer to a question. Raises DamagedFiles, which names them, if files that it needs cannot be read.

    Raises duckdb.Error if it cannot be found for another reason, want of memory and disk for example.
    """
    as_of_ms = clock.wall_ms()
    # Before the commits are read: what is shipped in between is then in the answer and not yet in the watermark.
    oldest_ms = oldest_pending_ms(data_dir / JOURNAL)
    sums = asked.report not in ("funnel", "viewing", "live")
    by_day = asked.by == "day"
    days = _days(asked, as_of_ms)
    warehouse = data_dir / WAREHOUSE
    try:
        with committed_events(warehouse, days, sums=sums, by_day=by_day, memory_mb=memory_mb) as base:
            found = _nothing(asked) if base is None else _find(base, asked, as_of_ms)
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException):
        # One of the files, or something else: only reading them tells.
        refuse_damaged(warehouse, (entry for entry in read_catalogue(warehouse).event_files() if days.has(entry)))
        raise
    watermark_ms = as_of_ms if oldest_ms is None else min(oldest_ms, as_of_ms)
    return Answer(question=asked, as_of_ms=as_of_ms, watermark_ms=watermark_ms, **structs.asdict(found))


def _days(asked: Question, now_ms: int) -> Days:
    """The days whose events are looked at."""
    if asked.report == "live":
        today = datetime.fromtimestamp(now_ms / 1_000, UTC).date()
        return Days(today - timedelta(days=1), today)
    # A viewing may have begun on the day before.
    return days_of(asked, before=timedelta(days=1 if asked.report == "viewing" else 0))


def _find(base: duckdb.DuckDBPyConnection, asked: Question, now_ms: int) -> Finding:
    if asked.report == "live":
        return live.find(base, asked, now_ms=now_ms)
    return _FIND.get(asked.report, tables.find)(base, asked)


def _nothing(asked: Question) -> Finding:
    """What is found where nothing is committed."""
    if asked.report == "live":
        return Finding(columns=live.COLUMNS)
    if asked.report == "funnel":
        return Finding(columns=funnel.COLUMNS, rows=[[step, 0, None, None] for step in asked.steps], visitors=0)
    if asked.report == "viewing":
        return Finding(columns=viewing.columns_of(asked), visitors=0)
    return Finding(columns=tables.columns_of(asked), visitors=0)
