"""Questions to the warehouse, as plain SQL for DuckDB over committed Parquet files and no others."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..clock import Clock
from ..shipping.pending import oldest_pending_ms
from ..shipping.run import JOURNAL, WAREHOUSE
from .events import committed_events

_POPULAR_PAGES: Final = """
SELECT
    page,
    count(*)                                       AS gross,
    count(*) FILTER (WHERE machine IS NULL)        AS net,
    count(*) FILTER (WHERE machine = 'bot')        AS bots,
    count(*) FILTER (WHERE machine IN ('prefetch', 'prerender')) AS prefetches,
    count(*) FILTER (WHERE machine = 'head')       AS heads,
    count(DISTINCT visitor)                        AS visitors
FROM events
WHERE type = 'view'
  AND ($since_ms IS NULL OR epoch_ms(received_at) >= $since_ms)
GROUP BY page
ORDER BY net DESC, gross DESC, page
LIMIT $limit
"""


@dataclass(frozen=True, slots=True)
class PageRow:
    """Views of one page. `gross` is all, `net` without bots, prefetches and HEAD requests, which are the difference.

    `visitors` counts those who consented to be told apart; 0 where nobody did.
    """

    page: str
    gross: int
    net: int
    bots: int
    prefetches: int
    heads: int
    visitors: int


@dataclass(frozen=True, slots=True)
class PopularPages:
    """The answer; every hit received before `watermark_ms` is in it, and none after `as_of_ms`."""

    rows: list[PageRow]
    as_of_ms: int
    watermark_ms: int


def popular_pages(data_dir: Path, clock: Clock, *, limit: int = 20, since_ms: int | None = None) -> PopularPages:
    """The pages most looked at, by net views; `since_ms` leaves out what was received before it."""
    as_of_ms = clock.wall_ms()
    oldest_ms = oldest_pending_ms(data_dir / JOURNAL)
    found = _ask(data_dir / WAREHOUSE, _POPULAR_PAGES, {"limit": limit, "since_ms": since_ms}, PageRow)
    return PopularPages(found, as_of_ms, as_of_ms if oldest_ms is None else min(oldest_ms, as_of_ms))


def _ask(warehouse: Path, sql: str, values: dict[str, Any], row: Callable[..., PageRow]) -> list[PageRow]:
    """The rows of a query over all committed events; none if there are none."""
    with committed_events(warehouse) as base:
        return [] if base is None else [row(*found) for found in base.execute(sql, values).fetchall()]
