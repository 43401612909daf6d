"""What a report has found, before it is said of which moment that is; and the filters that all of them share."""

from typing import Any, Final

from msgspec import Struct

from . import zones
from .answer import Value, Withheld
from .question import Question

#: The filters of a question on the table `events`; values as `filters` gives them.
WHERE: Final = """
($country IS NULL OR country = $country)
AND ($device IS NULL OR device_kind = $device)
AND ($campaign IS NULL OR campaign = $campaign)
"""
#: Why an event does not count, on the tables `events` and `cells`; NULL if it does. Machines do not, and for partners
#: neither do events of those who did not want to be shared.
REASON: Final = "CASE WHEN machine NOTNULL THEN machine WHEN $for_partners AND sharing IS FALSE THEN 'not_shared' END"


def local_time(asked: Question) -> str:
    """SQL for the time of receipt on the clocks of the question's time zone, a timestamp without zone.

    For events from a day before the question's first on.
    """
    if asked.time_zone == zones.DEFAULT:
        return "received_at::TIMESTAMP"
    return zones.local_time(zones.zone_named(asked.time_zone), asked.begin_ms - 86_400_000, asked.end_ms)


def page_of(asked: Question, column: str = "page") -> str:
    """SQL for a page as a question wants it: /a/ is /a, if it drops the slash."""
    return f"coalesce(nullif(rtrim({column}, '/'), ''), {column})" if asked.drops_slash else column


def filters(asked: Question) -> dict[str, Any]:
    """The values of the names in `WHERE` and `REASON`."""
    return {
        "country": asked.country,
        "device": asked.device,
        "campaign": asked.campaign,
        "for_partners": asked.partner_people > 0,
    }


class Finding(Struct, frozen=True, kw_only=True):
    """The figures of an answer; see there."""

    columns: list[str]
    rows: list[list[Value]] = []
    gross: int = 0
    net: int = 0
    excluded: dict[str, int] = {}
    visitors: int | None = None
    visitors_error: float = 0.0
    withheld: Withheld | None = None
