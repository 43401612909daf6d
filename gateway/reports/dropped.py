"""How many fields were left out of events that count, since they could not be read: by source and code."""

from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from ..shipping.run import WAREHOUSE
from .events import Days, committed_events
from .zones import DEFAULT, today_in, zone_named

_DROPPED: Final = """
SELECT source, code, count(*) AS events
FROM (SELECT source, unnest(string_split(dropped, ' ')) AS code FROM events WHERE dropped NOTNULL)
GROUP BY ALL ORDER BY events DESC, source, code
"""


class Dropped(NamedTuple):
    """One kind of field that was left out, and of how many events."""

    source: str
    code: str
    events: int


def dropped_fields(data_dir: Path, *, days: int, now_ms: int) -> list[Dropped]:
    """What the column `dropped` says of the last so many days of UTC, the most frequent first.

    Raises duckdb.Error if it cannot be found.
    """
    today = today_in(zone_named(DEFAULT), now_ms)
    with committed_events(data_dir / WAREHOUSE, Days(today - timedelta(days=days - 1), today)) as base:
        return [] if base is None else [Dropped(*row) for row in base.execute(_DROPPED).fetchall()]
