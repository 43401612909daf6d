"""Viewing: how long people watched, from heartbeats that may be lost, doubled or late.

A heartbeat says what is being watched (`media`), in which viewing, its running number in it (`ping`), the position, and
whether it is playing from there on; one is sent every some seconds and at each change of state, seek or speed. Between
two heartbeats that follow each other, the first of which says "playing", as much was watched as both the clock and the
position moved on. Where heartbeats between two are missing, nobody knows: that time is told apart. So

    seconds  <=  what was watched between the first and the last heartbeat  <=  seconds + uncertain_seconds

and neither doubling nor reordering changes anything.
"""

from typing import Final

import duckdb

from . import suppress
from .answer import Value, Withheld
from .finding import REASON, WHERE, Finding, filters, local_time, page_of
from .question import Question

COLUMNS: Final = ["hours", "seconds", "uncertain_seconds", "viewings", "visitors"]
HEARTBEAT: Final = "heartbeat"
PLAYING: Final = "playing"

#: Which events are heartbeats, whatever their wire calls them.
HEARTBEATS: Final = f"(type = '{HEARTBEAT}' OR position_ms NOTNULL)"
#: By local time, which `{at}` stands for.
_KEYS: Final = {
    "title": "{title}",
    "device": "device_kind",
    "country": "country",
    "day": "strftime({at}, '%Y-%m-%d')",
    "hour": "strftime({at}, '%H')",
    "weekday": "strftime({at}, '%u %H')",
}
#: A viewing goes on over midnight: so far back its last heartbeat is looked for.
_BEFORE: Final = "INTERVAL 1 HOUR"

#: Heartbeats without a number are taken for neighbours if they are no further apart, in milliseconds.
_NEIGHBOURS_MS: Final = 60_000
#: No player is silent for so long; what lies between is uncertain, and of one gap no more than a day.
_SILENT_MS: Final = 600_000
_GAP_MS: Final = 86_400_000
#: Beyond these, position and number are nonsense.
_MAX_POSITION_MS: Final = 10**12
_MAX_PING: Final = 10**9

#: The instant at which the first day of the question begins.
_FIRST: Final = "epoch_ms($first::BIGINT)::TIMESTAMPTZ"
#: Viewings and visitors as hashes of 64 bits, which take half the time of their names.
_BEATS: Final = f"""
CREATE OR REPLACE TEMP TABLE beats AS
SELECT {{key}} AS key, hash(coalesce(viewing, visitor || ' ' || {{title}})) AS viewing, ping::INTEGER AS ping,
       coalesce(play_state = '{PLAYING}', false) AS is_playing, position_ms,
       CASE WHEN playback_rate BETWEEN 0.05 AND 20 THEN playback_rate ELSE 1 END AS rate,
       epoch_ms(coalesce(occurred_at, received_at)) AS told_ms, epoch_ms(received_at) AS received_ms,
       received_at >= {_FIRST} AS counts, CASE WHEN visitor NOTNULL THEN hash(visitor) END AS visitor,
       CASE WHEN visitor_kind = 'daily' THEN received_at::DATE END AS of_day
FROM events
WHERE {HEARTBEATS} AND {WHERE} AND {REASON} IS NULL AND received_at >= {_FIRST} - {_BEFORE}
  AND coalesce(viewing, visitor) NOTNULL AND position_ms BETWEEN 0 AND {_MAX_POSITION_MS}
  AND coalesce(ping, 0) BETWEEN 0 AND {_MAX_PING}
"""  # noqa: S608 - names of ours
#: One row for each heartbeat that counts, with the milliseconds since the one before it. A copy follows on itself.
_WATCHED: Final = f"""
CREATE OR REPLACE TEMP TABLE watched AS
SELECT key, viewing, visitor, of_day,
       CASE WHEN follows AND was_playing THEN greatest(0, least(clock_ms, moved_ms)) ELSE 0 END AS watched_ms,
       CASE WHEN clock_ms IS NULL OR follows OR is_copy THEN 0 ELSE greatest(0, least(clock_ms, {_GAP_MS})) END
           AS uncertain_ms
FROM (
    SELECT key, viewing, visitor, of_day, counts, told_ms - lag(told_ms) OVER before AS clock_ms,
           (position_ms - lag(position_ms) OVER before) / lag(rate) OVER before AS moved_ms,
           lag(is_playing) OVER before AS was_playing, ping = lag(ping) OVER before AS is_copy,
           coalesce(ping - lag(ping) OVER before = 1, clock_ms <= {_NEIGHBOURS_MS}) AND clock_ms <= {_SILENT_MS}
               AS follows
    FROM beats
    WINDOW before AS (PARTITION BY viewing ORDER BY ping, told_ms, received_ms)
)
WHERE counts
"""  # noqa: S608 - names of ours
_FIGURES: Final = """
SELECT key, coalesce(sum(watched_ms), 0) AS ms, coalesce(sum(uncertain_ms), 0), count(DISTINCT viewing),
       count(DISTINCT visitor)
FROM watched GROUP BY key ORDER BY {order}
"""
_VIEWINGS: Final = 3
_PEOPLE: Final = """
SELECT key, max(people) FROM (
    SELECT key, of_day, count(DISTINCT visitor) AS people FROM watched GROUP BY key, of_day
) GROUP BY key
"""
_COUNTS: Final = f"""
SELECT {REASON} AS reason, count(*) FROM events WHERE {HEARTBEATS} AND {WHERE} AND received_at >= {_FIRST}
GROUP BY reason
"""  # noqa: S608 - names of ours


def find(base: duckdb.DuckDBPyConnection, asked: Question) -> Finding:
    """Viewing by title, device, country, day, hour of the day or hour of the week ("1 20": Monday at 20 h).

    Days and hours are those of the question's time zone.
    The table `events` should begin a day before the question does. Heartbeats that tell neither position nor viewing
    count in no row and are told as excluded.
    """
    values = {**filters(asked), "first": asked.begin_ms}
    title = f"coalesce(media, {page_of(asked)})"
    key = _KEYS[asked.by].format(at=local_time(asked), title=title)
    counted: dict[str | None, int] = dict(base.execute(_COUNTS, values).fetchall())
    gross = sum(counted.values())
    base.execute(_BEATS.format(key=key, title=title), values)
    base.execute(_WATCHED)
    ((used,),) = base.execute("SELECT count(*) FROM watched").fetchall()
    excluded = {reason: events for reason, events in counted.items() if reason is not None}
    if counted.get(None, 0) > used:
        excluded["no_viewing"] = counted[None] - used
    ((visitors,),) = base.execute("SELECT count(DISTINCT visitor) FROM watched").fetchall()
    ranked = asked.by in ("title", "device", "country")
    found = base.execute(_FIGURES.format(order="ms DESC, key" if ranked else "key")).fetchall()
    withheld = None
    if asked.partner_people:
        people: dict[str | None, int] = dict(base.execute(_PEOPLE).fetchall())
        table = [suppress.Row(people[figures[0]], figures[_VIEWINGS]) for figures in found]
        places = suppress.shown(table, below_people=asked.partner_people)
        withheld = Withheld(len(found) - len(places), asked.partner_people) if len(places) < len(found) else None
        found = [found[place] for place in places]
    return Finding(
        columns=columns_of(asked),
        rows=[_row(*figures) for figures in (found[: asked.limit] if ranked else found)],
        gross=gross,
        net=used,
        excluded=excluded,
        visitors=visitors,
        withheld=withheld,
    )


def columns_of(asked: Question) -> list[str]:
    """The columns of an answer."""
    return [asked.by, *COLUMNS]


def _row(key: str | None, ms: float, uncertain_ms: float, viewings: int, visitors: int) -> list[Value]:
    return [key, round(ms / 3_600_000, 2), round(ms / 1_000), round(uncertain_ms / 1_000), viewings, visitors]
