"""Conversion: how many visitors went through given steps, in this order, within a given time of the first.

The order is that in which things happened: a player that was offline sends later what came before.

Between the steps anything may happen. A visitor may begin several times: each step is reached from the latest beginning
from which it can be, so one that was late once and in time later is counted.
"""

from typing import Any, Final

import duckdb

from .answer import Value
from .finding import REASON, WHERE, Finding, filters, page_of
from .question import Question

COLUMNS: Final = ["step", "visitors", "of_first", "of_previous"]

#: When an event happened, as far as that can be trusted: the tracker said when it happened and when it was sent, so
#: that its own clock measures how long it waited, right or wrong as it may be. Else when it was received.
_MOMENT: Final = """
CASE WHEN happened_at NOTNULL AND sent_at - occurred_at BETWEEN INTERVAL 0 DAYS AND INTERVAL 7 DAYS
THEN happened_at ELSE received_at END
"""
#: Of one moment the sender's clock tells the order, as of a batch without `sent_at`, received at once.
_ORDER: Final = 'moment, occurred_at, received_at, record_id, "offset", unit'
_MET: Final = f"""
CREATE OR REPLACE TEMP TABLE met AS
SELECT visitor, {_MOMENT} AS moment, received_at, occurred_at, record_id, "offset", unit,
    {{reason}} AS reason, {{steps}}
FROM events WHERE {{where}} AND ({{any_step}})
"""  # noqa: S608 - a constant
_BEGUN_BEFORE: Final = (
    "max({begun}) OVER (PARTITION BY visitor ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
)
_COUNTS: Final = """
SELECT coalesce(CASE WHEN reason IS NULL AND visitor IS NULL THEN 'no_visitor' ELSE reason END, ''), count(*)
FROM met GROUP BY ALL
"""


def find(base: duckdb.DuckDBPyConnection, asked: Question) -> Finding:
    """Visitors by step; those without a pseudonym cannot be followed and are told as excluded."""
    values: dict[str, Any] = {**filters(asked), **_values(asked)}
    conditions = [_condition(number, page_of(asked)) for number in range(len(asked.steps))]
    base.execute(
        _MET.format(
            reason=REASON,
            steps=", ".join(f"({condition}) AS s{number}" for number, condition in enumerate(conditions)),
            where=WHERE,
            any_step=" OR ".join(f"({condition})" for condition in conditions),
        ),
        values,
    )
    counted: dict[str, int] = dict(base.execute(_COUNTS).fetchall())
    net = counted.pop("", 0)
    reached = [int(found) for found in base.execute(_chain(asked)).fetchall()[0]]
    rows: list[list[Value]] = [
        [
            step,
            reached[number],
            _share(reached[number], reached[0]),
            _share(reached[number], reached[max(number - 1, 0)]),
        ]
        for number, step in enumerate(asked.steps)
    ]
    return Finding(
        columns=COLUMNS,
        rows=rows,
        gross=net + sum(counted.values()),
        net=net,
        excluded=counted,
        visitors=reached[0],
    )


def _values(asked: Question) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, step in enumerate(asked.steps):
        kind, slash, page = step.partition(":/")
        found[f"type{number}"] = kind
        found[f"page{number}"] = _page(page, asked) if slash else None
        found[f"open{number}"] = page.endswith("*")
    return found


def _page(page: str, asked: Question) -> str:
    """The page of a step, or its beginning; an open end keeps its slash, so that /watch/* means what is below."""
    if page.endswith("*") or not asked.drops_slash:
        return f"/{page.removesuffix('*')}"
    return f"/{page.rstrip('/')}"


def _condition(number: int, of_event: str) -> str:
    """SQL for "this event is that step"."""
    page = f"CASE WHEN $open{number} THEN starts_with(page, $page{number}) ELSE {of_event} = $page{number} END"
    return f"type = $type{number} AND ($page{number} IS NULL OR coalesce({page}, false))"


def _chain(asked: Question) -> str:
    """SQL for the number of visitors of each step: `b<n>` is when the chain began by which an event is step n."""
    within = f"INTERVAL {asked.within_hours:d} HOUR"
    tables = ["t0 AS (SELECT *, CASE WHEN s0 THEN moment END AS b0 FROM met WHERE reason IS NULL AND visitor NOTNULL)"]
    for number in range(1, len(asked.steps)):
        begun = _BEGUN_BEFORE.format(begun=f"b{number - 1}", order=_ORDER)
        before = f"(SELECT *, {begun} AS begun FROM t{number - 1})"  # noqa: S608 - names of ours
        reached = f"CASE WHEN s{number} AND moment - begun <= {within} THEN begun END AS b{number}"
        tables.append(f"t{number} AS (SELECT * EXCLUDE (begun), {reached} FROM {before})")  # noqa: S608 - names of ours
    counts = ", ".join(
        f"count(DISTINCT visitor) FILTER (WHERE b{number} NOTNULL)" for number in range(len(asked.steps))
    )
    return f"WITH {', '.join(tables)} SELECT {counts} FROM t{len(asked.steps) - 1}"  # noqa: S608 - names of ours


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
