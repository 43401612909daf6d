"""Times, spans and lists in the words people use, in any language: how CLDR writes them, or a text of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal

from babel import dates, lists, units
from markupsafe import Markup

from .language import Language, english

_WEEK: Final = 7
_HOUR: Final = timedelta(hours=1)
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant: as people say it, to the minute with its zone, and for machines (RFC 3339)."""

    words: str
    exact: str
    iso: str


def moment(at_ms: int, now_ms: int, language: Language, zone: tzinfo = UTC) -> Moment:
    """The instant `at_ms` as seen from `now_ms` (both milliseconds since the epoch), on the clocks of `zone`.

    An instant slightly in the future counts as now: two machines' clocks differ.
    """
    at = datetime.fromtimestamp(at_ms / 1_000, zone)
    now = datetime.fromtimestamp(now_ms / 1_000, zone)
    exact = language.gettext(
        "%(date)s, %(time)s %(zone)s",
        date=dates.format_date(at.date(), "full", locale=language.locale),
        time=_clock(at, language),
        zone=at.tzname(),
    )
    iso = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Moment(_spoken(at, now, language), exact, iso)


def clock_time(at_ms: int, language: Language, zone: tzinfo = UTC) -> str:
    """The time of day to the second, with its zone: "14:05:31 UTC"."""
    at = datetime.fromtimestamp(at_ms / 1_000, zone)
    return f"{dates.format_time(at.time(), 'medium', locale=language.locale)} {at.tzname()}"


def _clock(at: datetime, language: Language) -> str:
    return dates.format_time(at.time(), "short", locale=language.locale)


def _spoken(at: datetime, now: datetime, language: Language) -> str:
    elapsed = now - at
    if elapsed < timedelta(minutes=1):
        return language.gettext("just now")
    if elapsed < _HOUR:
        return _counted(-(elapsed // timedelta(minutes=1)), "minute", language, add_direction=True)
    days = (now.date() - at.date()).days
    if days == 0:
        return language.gettext("today at %(time)s", time=_clock(at, language))
    if days == 1:
        return language.gettext("yesterday at %(time)s", time=_clock(at, language))
    if days < _WEEK:
        weekday = dates.format_date(at.date(), "EEEE", locale=language.locale)
        return language.gettext("%(weekday)s at %(time)s", weekday=weekday, time=_clock(at, language))
    if at.year == now.year:
        return dates.format_skeleton("MMMMd", at, locale=language.locale)
    return dates.format_date(at.date(), "long", locale=language.locale)


def span(milliseconds: float, language: Language) -> str:
    """A short span of time: "4 ms", "2.5 seconds"; no-break spaces keep number and unit on one line."""
    if milliseconds < 1:
        return language.gettext("under %(span)s", span=_unit(1, "millisecond", language, length="short"))
    if milliseconds < 1_000:
        return _unit(round(milliseconds), "millisecond", language, length="short")
    return _unit(milliseconds / 1_000, "second", language, pattern="0.0")


def spoken_days(number: int, language: Language) -> str:
    """A number of days: "30 days"."""
    return _counted(number, "day", language)


def spoken_minutes(number: int, language: Language) -> str:
    """A number of minutes: "1 minute"."""
    return _counted(number, "minute", language)


def _counted(number: int, unit: Literal["day", "minute"], language: Language, *, add_direction: bool = False) -> str:
    # With so high a threshold no larger unit is taken: 30 days are not a month.
    return dates.format_timedelta(
        timedelta(**{f"{unit}s": number}), unit, threshold=1_000, add_direction=add_direction, locale=language.locale
    )


def _unit(
    number: float,
    name: str,
    language: Language,
    *,
    length: Literal["short", "long"] = "long",
    pattern: str | None = None,
) -> str:
    unit = f"duration-{name}"
    told = units.format_unit(number, unit, length, format=pattern, locale=language.locale)
    if unit in told:
        # CLDR has no words for it in every language; those of English are short and known.
        told = units.format_unit(number, unit, "short", format=pattern, locale=english().locale)
    return told.replace(" ", _NO_BREAK)


def listing(things: Sequence[str], language: Language) -> Markup:
    """Things in a sentence: "a", "a and b", "a, b and c"; text among them is escaped."""
    return Markup(lists.format_list([Markup.escape(thing) for thing in things], locale=language.locale))  # noqa: S704


def country(code: str, language: Language) -> str:
    """The name of a country (ISO 3166-1 alpha-2), or its code if CLDR has no name for it."""
    return str(language.locale.territories.get(code, code))


def count(number: int, thing: str) -> str:
    """A number and its noun in English, for what only operators read: "1 server", "12 servers"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
