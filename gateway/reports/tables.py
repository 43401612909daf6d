"""The reports that count and rank: popular pages, clicks, e-mail, audience. All of them read sums, never events."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

import duckdb
from msgspec import structs

from . import suppress
from .answer import Value, Withheld
from .finding import Finding
from .question import Question
from .sums import Sum, Sums

VIEW: Final = "view"
CLICK: Final = "click"
OPEN: Final = "open"
#: An open that a mail privacy proxy fetched: perhaps somebody looked, perhaps nobody did.
_PROXY: Final = "privacy_proxy"
_EXCLUDED: Final = "excluded_"


class _Table(NamedTuple):
    """What a report counts, and further columns of it: their names, and their values from rows and a connection."""

    types: tuple[str, ...]
    more: tuple[str, ...] = ()
    values: Callable[[duckdb.DuckDBPyConnection, Question, Sequence[Sum]], list[list[Value]]] = (
        lambda _base, _asked, rows: [[] for _ in rows]
    )


def _click_through(base: duckdb.DuckDBPyConnection, asked: Question, rows: Sequence[Sum]) -> list[list[Value]]:
    """How often the page, or the campaign's pages and mails, were seen, and what share of that was clicked."""
    seen = _net_of(base, asked, (VIEW, OPEN), asked.by)
    return [[seen.get(row.key, 0), _share(row.net, seen.get(row.key, 0))] for row in rows]


def _opened(base: duckdb.DuckDBPyConnection, asked: Question, rows: Sequence[Sum]) -> list[list[Value]]:
    """Opens are known between two bounds only; clicks are what can be trusted."""
    clicks = _net_of(base, asked, (CLICK,), asked.by)
    unknown = _net_of(base, asked, (OPEN,), asked.by, fetched_by="unknown")
    return [[row.net - unknown.get(row.key, 0), row.net + row.excluded[_PROXY], clicks.get(row.key, 0)] for row in rows]


def _net_of(
    base: duckdb.DuckDBPyConnection, asked: Question, types: Sequence[str], by: str, fetched_by: str | None = None
) -> dict[Any, int]:
    return {row.key: row.net for row in Sums(base, asked, types, by, fetched_by=fetched_by).rows(limit=None)}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


_PAGES: Final = _Table((VIEW,))
_CLICKS: Final = _Table((CLICK,))
_CLICK_THROUGH: Final = _Table((CLICK,), ("seen", "click_through"), _click_through)
_MAIL: Final = _Table((OPEN,), ("opens_at_least", "opens_at_most", "clicks"), _opened)
_AUDIENCE: Final = _Table(())


def _table_of(asked: Question) -> _Table:
    if asked.report == "clicks":
        # A link has no count of how often it was seen: pages and mails have.
        return _CLICKS if asked.by == "link" else _CLICK_THROUGH
    if asked.report == "mail":
        # Clicks by campaign and clicks by link, both shown to a partner, could be subtracted.
        return _Table((OPEN,)) if asked.partner_people else _MAIL
    return _PAGES if asked.report == "pages" else _AUDIENCE


def columns_of(asked: Question) -> list[str]:
    """The columns of an answer; one for each reason of exclusion that occurs comes after them."""
    counted = ["net", "visitors"] if asked.partner_people else ["gross", "net", "visitors"]
    return [asked.by, *counted, *_table_of(asked).more]


def find(base: duckdb.DuckDBPyConnection, asked: Question) -> Finding:
    """The table that a question asks for."""
    table = _table_of(asked)
    everything = Sums(base, asked, table.types)
    total, (people,) = everything.total(), everything.people([None])
    found = Finding(
        columns=columns_of(asked),
        gross=total.gross,
        net=total.net,
        excluded=dict(total.excluded),
        visitors=people.visitors,
        visitors_error=people.error,
    )
    sums = Sums(base, asked, table.types, asked.by)
    if asked.partner_people:
        return _for_partners(found, sums, asked)
    order = "key" if asked.by == "day" else "net DESC, gross DESC, key NULLS LAST"
    rows = sums.rows(limit=None if asked.by == "day" else asked.limit, order=order)
    visitors = sums.people(row.key for row in rows)
    reasons = sorted({reason for row in rows for reason in row.excluded})
    further = table.values(base, asked, rows)
    return structs.replace(
        found,
        columns=[*found.columns, *(f"{_EXCLUDED}{reason}" for reason in reasons)],
        rows=[
            [_plain(row.key), row.gross, row.net, there.visitors, *more, *(row.excluded[reason] for reason in reasons)]
            for row, there, more in zip(rows, visitors, further, strict=True)
        ],
    )


def _for_partners(found: Finding, sums: Sums, asked: Question) -> Finding:
    rows = [row for row in sums.rows(limit=None) if row.net > 0]
    # Whoever counts has come at least once, so a row of fewer events is surely one of fewer people.
    enough = [place for place, row in enumerate(rows) if row.net >= asked.partner_people]
    counted = dict(zip(enough, sums.people(rows[place].key for place in enough), strict=True))
    table = [suppress.Row(counted[p].at_least if p in counted else 0, row.net) for p, row in enumerate(rows)]
    places = suppress.shown(table, below_people=asked.partner_people)
    withheld = len(rows) - len(places)
    return structs.replace(
        found,
        rows=[[_plain(rows[p].key), rows[p].net, counted[p].visitors] for p in places[: asked.limit]],
        withheld=Withheld(withheld, asked.partner_people) if withheld else None,
    )


def _plain(key: Any) -> Value:
    return key.isoformat() if isinstance(key, date) else key
