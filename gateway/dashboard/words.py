"""The words of the dashboard: numbers, shares, hours and reasons as people say them."""

from datetime import date, datetime
from typing import Final

from ..pages.language import english
from ..pages.words import count, listing
from ..reports.answer import Answer, Value
from ..reports.zones import zone_named

_NO_BREAK: Final = "\N{NO-BREAK SPACE}"
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: Why events do not count: one word of theirs each, as in the reports.
REASONS: Final = {
    "bot": "from bots",
    "prefetch": "fetched ahead and not looked at",
    "prerender": "rendered ahead and not looked at",
    "head": "asked for without their content",
    "privacy_proxy": "fetched by mail privacy proxies",
    "scanner": "fetched by mail scanners",
    "no_visitor": "from visitors who cannot be told apart",
    "no_viewing": "heartbeats without position or viewing",
    "not_shared": "from visitors who are not shared",
}
_DEVICES: Final = {
    "tv": "TVs", "console": "Consoles", "phone": "Phones", "tablet": "Tablets", "computer": "Computers",
    "stick": "Streaming players", "set_top": "Receivers", "speaker": "Speakers", "car": "Cars", "bot": "Bots",
    "privacy_proxy": "Privacy proxies", "other": "Other devices",
}  # fmt: skip


def whole(value: float) -> str:
    """A count with its thousands apart."""
    return f"{value:,.0f}"


def share(value: Value) -> str:
    """A share of one as per cent, or a dash."""
    return f"{value:.1%}" if isinstance(value, int | float) else "\N{EN DASH}"


def hours(seconds: float) -> str:
    """Viewing time: "3 min", "1.5 h", "1,204 h"."""
    if seconds < 3_600:
        return f"{seconds / 60:.0f}{_NO_BREAK}min"
    return f"{seconds / 3_600:,.{1 if seconds < 360_000 else 0}f}{_NO_BREAK}h"


def day(iso: Value) -> str:
    """A day as "24 Nov"."""
    at = date.fromisoformat(str(iso))
    return f"{at.day}{_NO_BREAK}{_MONTHS[at.month - 1]}"


def minute(at_ms: Value, time_zone: str) -> str:
    """A time of day, on the clocks of a time zone, to the minute."""
    return datetime.fromtimestamp(int(at_ms or 0) / 1_000, zone_named(time_zone)).strftime("%H:%M")


def device(kind: Value) -> str:
    """A kind of device, many of them."""
    return _DEVICES.get(str(kind), str(kind))


def within_sentence(noun: str) -> str:
    """A noun as it stands inside a sentence; "TVs" stays as it is."""
    return noun if noun[1:2].isupper() else noun[:1].lower() + noun[1:]


def name(value: Value) -> str:
    """A page, link or title; what was not told is said as such."""
    return "(not told)" if value is None or value == "" else str(value)


def method(answer: Answer) -> str:
    """How the figures of an answer came about: what counts, what not, and why; nothing if there are none."""
    if not answer.gross:
        return ""
    left_out = [f"{whole(events)} {REASONS.get(reason, reason)}" for reason, events in sorted(answer.excluded.items())]
    counted = f"{whole(answer.net)} of {count_of(answer.gross, 'event')} count"
    return f"{counted}; left out: {listing(left_out, english())}." if left_out else f"{counted}."


def count_of(number: int, thing: str) -> str:
    """A number with its thousands apart, and its noun."""
    return count(number, thing).replace(str(number), whole(number), 1)
