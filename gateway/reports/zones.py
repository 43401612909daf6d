"""Days and hours of a time zone, right over changes of its clocks: a day has 23 to 25 hours, an hour may come twice.

Where a zone's days begin and how far its clocks stand from UTC is asked of the IANA data of this machine, or the
package `tzdata`, once for each report; the database then only adds seconds.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DEFAULT: Final = "UTC"

_DAY_MS: Final = 86_400_000


def zone_named(name: str) -> ZoneInfo:
    """The zone of an IANA name such as Europe/Amsterdam. Raises ValueError if there is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError("expected an IANA name of a time zone, such as Europe/Amsterdam") from None


def today_in(zone: ZoneInfo, now_ms: int) -> date:
    """The day it is there."""
    return datetime.fromtimestamp(now_ms / 1_000, zone).date()


def begin_ms(day: date, zone: ZoneInfo) -> int:
    """When a day begins there; where its midnight is skipped, with the first minute that it has."""
    return round(datetime.combine(day, time.min, tzinfo=zone).timestamp() * 1_000)


def offsets(zone: ZoneInfo, first_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """From when on (milliseconds since the epoch) the clocks stand how far from UTC (seconds), from `first_ms` on.

    Looks once a day: clocks that change twice within one are read as if they had not.
    """
    found = [(first_ms, _offset(zone, first_ms))]
    at_ms = first_ms
    while at_ms < end_ms:
        next_ms = min(at_ms + _DAY_MS, end_ms)
        after = _offset(zone, next_ms)
        if after != found[-1][1]:
            found.append((_change(zone, at_ms, next_ms), after))
        at_ms = next_ms
    return found


def local_time(zone: ZoneInfo, first_ms: int, end_ms: int) -> str:
    """SQL for the local time, as a timestamp without zone, of `received_at` between two instants."""
    (_, first), *changes = offsets(zone, first_ms, end_ms)
    if not changes:
        return f"(received_at::TIMESTAMP + to_seconds({first}))" if first else "received_at::TIMESTAMP"
    cases = " ".join(f"WHEN epoch_ms(received_at) >= {since} THEN {offset}" for since, offset in reversed(changes))
    return f"(received_at::TIMESTAMP + to_seconds(CASE {cases} ELSE {first} END))"


def in_words(at_ms: int, zone: ZoneInfo, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """An instant on the clocks there, with the name of the zone."""
    return f"{datetime.fromtimestamp(at_ms / 1_000, zone).strftime(form)} {zone.key}"


def _offset(zone: ZoneInfo, at_ms: int) -> int:
    offset = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(zone).utcoffset()
    return round((offset or timedelta()).total_seconds())


def _change(zone: ZoneInfo, before_ms: int, after_ms: int) -> int:
    """When between two instants the clocks change, to the second."""
    before = _offset(zone, before_ms)
    while after_ms - before_ms > 1_000:
        middle_ms = before_ms + (after_ms - before_ms) // 2_000 * 1_000
        if _offset(zone, middle_ms) == before:
            before_ms = middle_ms
        else:
            after_ms = middle_ms
    return after_ms
