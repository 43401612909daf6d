"""Times, counts and spans as people say them."""

from datetime import timedelta, timezone

import pytest
from babel import Locale

from latchstring_gateway.pages.language import Language, english
from latchstring_gateway.pages.languages import read_languages
from latchstring_gateway.pages.words import clock_time, count, country, listing, moment, span, spoken_days

NOW_MS = 1_795_474_800_000  # Monday 23 November 2026, 23:00 UTC
MINUTE_MS = 60_000
DUTCH, ARABIC = read_languages(["nl", "ar"])
DAY_MS = 24 * 60 * MINUTE_MS


@pytest.mark.parametrize(
    ("ago_ms", "words"),
    [
        (-5_000, "just now"),
        (0, "just now"),
        (59_999, "just now"),
        (MINUTE_MS, "1 minute ago"),
        (59 * MINUTE_MS + 59_000, "59 minutes ago"),
        (60 * MINUTE_MS, "today at 22:00"),
        (23 * 60 * MINUTE_MS, "today at 00:00"),
        (23 * 60 * MINUTE_MS + MINUTE_MS, "yesterday at 23:59"),
        (47 * 60 * MINUTE_MS, "yesterday at 00:00"),
        (2 * DAY_MS, "Saturday at 23:00"),
        (6 * DAY_MS, "Tuesday at 23:00"),
        (7 * DAY_MS, "16 November"),
        (330 * DAY_MS, "28 December 2025"),
    ],
)
def test_a_moment_is_said_as_people_would(ago_ms: int, words: str) -> None:
    """The further back, the coarser: minutes, time of day, weekday, date, year."""
    assert moment(NOW_MS - ago_ms, NOW_MS, english()).words == words


def test_a_moment_has_an_exact_form_and_a_form_for_machines() -> None:
    """Hovering shows weekday, date, minute and zone; the datetime attribute is RFC 3339 in UTC."""
    zone = timezone(timedelta(hours=1), "CET")

    said = moment(NOW_MS - 2 * 60 * MINUTE_MS, NOW_MS, english(), zone)

    assert said.words == "yesterday at 22:00"
    assert said.exact == "Monday, 23 November 2026, 22:00 CET"
    assert said.iso == "2026-11-23T21:00:00Z"


def test_a_clock_time_has_seconds_and_zone() -> None:
    """As in "certain by 23:01:06 UTC"."""
    assert clock_time(NOW_MS + 66_000, english()) == "23:01:06 UTC"


def test_one_thing_is_singular() -> None:
    """As in "1 server" and "12 servers"."""
    assert [count(number, "server") for number in (0, 1, 12)] == ["0 servers", "1 server", "12 servers"]


def test_a_span_keeps_number_and_unit_together() -> None:
    """Milliseconds below a second, seconds above, never broken at the line's end."""
    spoken = [span(milliseconds, english()) for milliseconds in (0.2, 4.2, 1_104)]

    assert spoken == ["under 1\N{NO-BREAK SPACE}ms", "4\N{NO-BREAK SPACE}ms", "1.1\N{NO-BREAK SPACE}seconds"]


def test_a_listing_ends_with_and() -> None:
    """As in "a, b and c"."""
    assert [listing(things, english()) for things in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a",
        "a and b",
        "a, b and c",
    ]


def test_things_in_a_listing_are_text_unless_they_are_markup() -> None:
    """What an owner typed is escaped."""
    assert listing(["<b>", "b"], english()) == "&lt;b&gt; and b"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (DUTCH, ["5 minuten geleden", "vandaag om 22:00", "gisteren om 22:00", "zaterdag om 23:00", "16 november"]),
        (ARABIC, ["قبل 5 دقائق", "اليوم الساعة 10:00 م", "أمس الساعة 10:00 م", "السبت الساعة 11:00 م", "16 نوفمبر"]),
    ],
    ids=["nl", "ar"],
)
def test_other_languages_say_it_their_way(language: Language, said: list[str]) -> None:
    """Numerals, clocks, weekdays and months are those that CLDR has for the language."""
    ago = [5 * MINUTE_MS, 60 * MINUTE_MS, 25 * 60 * MINUTE_MS, 2 * DAY_MS, 7 * DAY_MS]

    assert [moment(NOW_MS - ms, NOW_MS, language).words.replace("\N{NARROW NO-BREAK SPACE}", " ") for ms in ago] == said
    assert spoken_days(30, language) in ("30 dagen", "30 يومًا")


def test_a_country_has_a_name_in_each_language() -> None:
    """A code that CLDR does not know stays a code."""
    assert [country("BR", one) for one in (english(), DUTCH, ARABIC)] == ["Brazil", "Brazilië", "البرازيل"]
    assert [country(code, english()) for code in ("", "X9")] == ["", "X9"]


def test_a_unit_that_cldr_has_no_words_for_is_said_in_english() -> None:
    """Never by its identifier, as in a language of which little is known."""
    corsican = Language("co", Locale.parse("co"), english().texts)

    assert [span(ms, corsican) for ms in (4, 1_500)] == ["4\N{NO-BREAK SPACE}ms", "1.5\N{NO-BREAK SPACE}secs"]
