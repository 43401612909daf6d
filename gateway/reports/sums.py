"""Events by type, broken down and counted, from the table `cells`; and how many different visitors they came from."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

import duckdb

from ..shipping.cells import COARSE
from ..shipping.visitors import EXACT_UP_TO, RELATIVE_ERROR, number, sketch, together
from .finding import REASON, WHERE, filters, local_time, page_of
from .question import Question

#: The breakdowns of a question and their columns.
COLUMN_OF: Final = {"page": "page", "link": "link", "campaign": "campaign", "country": "country",
                    "device": "device_kind", "day": "day", "message": "message"}  # fmt: skip

_WHERE: Final = f"""
(len($types) = 0 OR list_contains($types, type))
AND ($fetched_by IS NULL OR fetched_by = $fetched_by) AND {WHERE}
"""
_EACH: Final = f"""
CREATE OR REPLACE TEMP TABLE each AS
SELECT {{key}} AS key, {REASON} AS reason, sum(events)::BIGINT AS events FROM cells
WHERE coarse = $coarse AND {_WHERE} GROUP BY ALL
"""  # noqa: S608 - names of ours
_TOTALS: Final = "SELECT reason, sum(events)::BIGINT FROM each GROUP BY reason"
_ROWS: Final = """
SELECT key, sum(events)::BIGINT AS gross, coalesce(sum(events) FILTER (WHERE reason IS NULL), 0)::BIGINT AS net
FROM each GROUP BY key ORDER BY {order} LIMIT {limit}
"""
_REASONS: Final = """
SELECT chosen.place, reason, events FROM each JOIN chosen ON each.key IS NOT DISTINCT FROM chosen.key
WHERE reason IS NOT NULL
"""
#: A pseudonym that lasts for a day tells one visitor only on that day, so each day stands for itself.
_OF_DAY: Final = "CASE WHEN visitor_kind = 'daily' THEN day END"
_SKETCHES: Final = f"""
SELECT place, {_OF_DAY} AS of_day, list(visitors) FROM cells JOIN chosen ON {{key}} IS NOT DISTINCT FROM chosen.key
WHERE visitors NOTNULL AND {REASON} IS NULL AND coarse = $coarse AND {_WHERE}
GROUP BY ALL
"""  # noqa: S608 - names of ours
#: Of events that no cells with visitors stand for. A daily pseudonym lasts for a day of UTC, whatever is asked for.
_PSEUDONYMS: Final = f"""
SELECT place, CASE WHEN visitor_kind = 'daily' THEN received_at::DATE END AS of_day, list(DISTINCT visitor)
FROM (SELECT *, {{day}} AS day FROM loose) JOIN chosen ON {{key}} IS NOT DISTINCT FROM chosen.key
WHERE visitor NOTNULL AND {REASON} IS NULL AND {_WHERE}
GROUP BY ALL
"""  # noqa: S608 - names of ours


class People(NamedTuple):
    """Visitors that can be told apart, and how many people they are at least."""

    visitors: int
    at_least: int

    @property
    def error(self) -> float:
        """The relative standard error of `visitors`; 0 if it is exact."""
        return RELATIVE_ERROR if self.visitors > EXACT_UP_TO else 0.0


class Sum(NamedTuple):
    """Events of one value of a breakdown; the last figure is the difference of the first two, by reason."""

    key: Any
    gross: int
    net: int
    excluded: Counter[str]


class Sums:
    """Events of some types, or of all, under the filters of a question; by one breakdown or, without, all together.

    `fetched_by` narrows to what was fetched from a mail in that way.
    """

    def __init__(
        self,
        base: duckdb.DuckDBPyConnection,
        asked: Question,
        types: Sequence[str],
        by: str | None = None,
        *,
        fetched_by: str | None = None,
    ) -> None:
        self._base = base
        self._key = page_of(asked) if by == "page" else COLUMN_OF[by] if by else "NULL::VARCHAR"
        self._day = f"{local_time(asked)}::DATE"
        self._values: dict[str, Any] = {
            "types": list(types),
            "coarse": fetched_by is None and (by is None or self._key in (*COARSE, "day")),
            "fetched_by": fetched_by,
            **filters(asked),
        }
        base.execute(_EACH.format(key=self._key), self._values)

    def total(self) -> Sum:
        """All of them."""
        found: list[tuple[str | None, int]] = self._base.execute(_TOTALS).fetchall()
        excluded = Counter({reason: events for reason, events in found if reason is not None})
        gross = sum(events for _, events in found)
        return Sum(None, gross, gross - excluded.total(), excluded)

    def rows(self, *, limit: int | None, order: str = "net DESC, gross DESC, key NULLS LAST") -> list[Sum]:
        """The largest, by net."""
        asked = _ROWS.format(order=order, limit="ALL" if limit is None else limit)
        found = [Sum(key, gross, net, Counter()) for key, gross, net in self._base.execute(asked).fetchall()]
        self._choose(row.key for row in found)
        for place, reason, events in self._base.execute(_REASONS).fetchall():
            found[place].excluded[reason] = events
        return found

    def people(self, keys: Iterable[Any]) -> list[People]:
        """The visitors behind the net events of some values of the breakdown, in the order of these."""
        places = self._choose(keys)
        parts: dict[tuple[int, date | None], list[bytes]] = {}
        for place, of_day, sketches in self._found(_SKETCHES, self._values):
            parts.setdefault((place, of_day), []).extend(sketches)
        everywhere = {name: value for name, value in self._values.items() if name != "coarse"}
        for place, of_day, pseudonyms in self._found(_PSEUDONYMS, everywhere):
            parts.setdefault((place, of_day), []).append(sketch(pseudonyms))
        lasting, daily = [0] * places, [[0] for _ in range(places)]
        for (place, of_day), sketches in parts.items():
            different = number(together(sketches))
            if of_day is None:
                lasting[place] = different
            else:
                daily[place].append(different)
        return [
            People(lasting[place] + sum(daily[place]), max(lasting[place], *daily[place])) for place in range(places)
        ]

    def _found(self, sql: str, values: dict[str, Any]) -> list[tuple[int, date | None, list[Any]]]:
        return self._base.execute(sql.format(key=self._key, day=self._day), values).fetchall()

    def _choose(self, keys: Iterable[Any]) -> int:
        listed = list(keys)
        self._base.execute("CREATE OR REPLACE TEMP TABLE chosen AS SELECT key, 0 AS place FROM each LIMIT 0")
        if listed:
            self._base.executemany(
                "INSERT INTO chosen VALUES (?, ?)", [(key, place) for place, key in enumerate(listed)]
            )
        return len(listed)
