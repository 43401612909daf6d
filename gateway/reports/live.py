"""The last thirty minutes, minute by minute, as far as they are shipped."""

from typing import Final

import duckdb

from .answer import Value
from .finding import REASON, WHERE, Finding, filters
from .question import Question
from .tables import VIEW
from .viewing import HEARTBEATS

MINUTES: Final = 30
COLUMNS: Final = ["minute", "gross", "net", "visitors", "watching"]

_MINUTES: Final = f"""
SELECT (epoch_ms(received_at) - $since_ms) // 60000 AS minute,
       count(*) FILTER (WHERE type = '{VIEW}'),
       count(*) FILTER (WHERE type = '{VIEW}' AND {REASON} IS NULL),
       count(DISTINCT visitor) FILTER (WHERE {REASON} IS NULL),
       count(DISTINCT coalesce(viewing, visitor))
           FILTER (WHERE {HEARTBEATS} AND {REASON} IS NULL)
FROM events
WHERE {WHERE} AND epoch_ms(received_at) >= $since_ms AND epoch_ms(received_at) < $since_ms + {MINUTES} * 60000
GROUP BY minute
"""  # noqa: S608 - names of ours
_REASONS: Final = f"""
SELECT {REASON} AS reason, count(*) FROM events
WHERE type = '{VIEW}' AND reason NOTNULL AND {WHERE} AND epoch_ms(received_at) >= $since_ms
GROUP BY reason
"""  # noqa: S608 - names of ours


def find(base: duckdb.DuckDBPyConnection, asked: Question, *, now_ms: int) -> Finding:
    """Page views of each of the last minutes, oldest first, and how many watched; the last one is not over yet."""
    since_ms = (now_ms // 60_000 - MINUTES + 1) * 60_000
    values = {**filters(asked), "since_ms": since_ms}
    found = {minute: figures for minute, *figures in base.execute(_MINUTES, values).fetchall()}
    rows: list[list[Value]] = [
        [since_ms + minute * 60_000, *found.get(minute, [0, 0, 0, 0])] for minute in range(MINUTES)
    ]
    return Finding(
        columns=COLUMNS,
        rows=rows,
        gross=sum(gross for gross, *_ in found.values()),
        net=sum(net for _, net, *_ in found.values()),
        excluded=dict(base.execute(_REASONS, values).fetchall()),
    )
