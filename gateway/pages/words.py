"""Times, counts and receipts in the words people use."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

# Not strftime: its names follow the locale of the process, and these pages are written in English.
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_WEEK: Final = 7
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant: as people say it, to the minute with its zone, and for machines (RFC 3339)."""

    words: str
    exact: str
    iso: str


def moment(at_ms: int, now_ms: int, zone: tzinfo = UTC) -> Moment:
    """The instant `at_ms` as seen from `now_ms` (both milliseconds since the epoch), on the clocks of `zone`.

    An instant slightly in the future counts as now: two machines' clocks differ.
    """
    at = datetime.fromtimestamp(at_ms / 1_000, zone)
    now = datetime.fromtimestamp(now_ms / 1_000, zone)
    exact = f"{_DAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M} {at.tzname()}"
    iso = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Moment(_spoken(at, now), exact, iso)


def clock_time(at_ms: int, zone: tzinfo = UTC) -> str:
    """The time of day to the second, with its zone: "14:05:31 UTC"."""
    at = datetime.fromtimestamp(at_ms / 1_000, zone)
    return f"{at:%H:%M:%S} {at.tzname()}"


def _spoken(at: datetime, now: datetime) -> str:
    elapsed = now - at
    if elapsed < timedelta(minutes=1):
        return "just now"
    if elapsed < timedelta(hours=1):
        return count(int(elapsed.total_seconds() // 60), "minute") + " ago"
    days = (now.date() - at.date()).days
    if days == 0:
        return f"today at {at:%H:%M}"
    if days == 1:
        return f"yesterday at {at:%H:%M}"
    if days < _WEEK:
        return f"{_DAYS[at.weekday()]} at {at:%H:%M}"
    if at.year == now.year:
        return f"{at.day} {_MONTHS[at.month - 1]}"
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def count(number: int, thing: str) -> str:
    """A number and its noun: "1 server", "12 servers"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def span(milliseconds: float) -> str:
    """A short span of time: "4 ms", "2.5 seconds"; a no-break space keeps number and unit on one line."""
    if milliseconds < 1:
        return f"under 1{_NO_BREAK}ms"
    if milliseconds < 1_000:
        return f"{milliseconds:.0f}{_NO_BREAK}ms"
    return f"{milliseconds / 1_000:.1f}{_NO_BREAK}seconds"


def listing(things: list[str]) -> str:
    """Things in a sentence: "a", "a and b", "a, b and c"."""
    if len(things) <= 1:
        return "".join(things)
    return ", ".join(things[:-1]) + " and " + things[-1]
