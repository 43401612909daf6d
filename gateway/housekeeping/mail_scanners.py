"""Clicks on many links of one mail within seconds: no person does that, whoever looks whether the links are safe does.

That shows only when the clicks of both workers and several segments have come together, so it is found when an hour is
folded (compaction.py): they are marked then, and stay.
"""

from collections.abc import Collection
from typing import Final

#: So many different links of one mail ...
LINKS: Final = 3
#: ... within so many seconds.
SECONDS: Final = 5

_NEEDED: Final = frozenset({"source", "message", "recipient", "link", "machine", "fetched_by", "rule"})
_MARKS: Final = {"machine": "'scanner'", "fetched_by": "'scanner'", "rule": "'burst'"}

# Frames of a window and no join: whoever follows one link a million times costs a sort and not a square.
_BURSTS: Final = f"""
CREATE TEMP TABLE burst AS
SELECT record_id, unit FROM (
    SELECT record_id, unit, machine, bool_or(begins) OVER (
        PARTITION BY message, recipient ORDER BY received_at
        RANGE BETWEEN INTERVAL {SECONDS} SECONDS PRECEDING AND CURRENT ROW
    ) AS is_in
    FROM (
        SELECT record_id, unit, machine, message, recipient, received_at, count(DISTINCT link) OVER (
            PARTITION BY message, recipient ORDER BY received_at
            RANGE BETWEEN CURRENT ROW AND INTERVAL {SECONDS} SECONDS FOLLOWING
        ) >= {LINKS} AS begins
        FROM {{files}} WHERE source = 'link' AND recipient IS NOT NULL
    )
) WHERE is_in AND machine IS NULL
"""  # noqa: S608 - numbers
_NONE: Final = "CREATE TEMP TABLE burst AS SELECT record_id, unit FROM {files} WHERE false"


def bursts(columns: Collection[str]) -> str:
    """The statement that makes the table `burst` (record_id, unit) of `files` that have these columns."""
    return _BURSTS if _NEEDED.issubset(columns) else _NONE


def marked(column: str) -> str:
    """A column of the rows `e` left joined with `burst`, changed for what is in one."""
    mark = _MARKS.get(column)
    plain = f'e."{column}"'
    return plain if mark is None else f"CASE WHEN burst.unit IS NULL THEN {plain} ELSE {mark} END AS {column}"
