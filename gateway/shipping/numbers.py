"""Numbers and instants as clients write them: JavaScript, Swift, Kotlin, Python and BrightScript, in JSON or as text.

whole numbers   7, 7.0, 12345.678, 1e3, "7", " 7", "1.796E12", "1.23457e+07": rounded to the nearest
instants        milliseconds since the epoch; seconds since the epoch; "2026-11-30T18:00:00Z", without offset UTC
"""

import math
import re
from datetime import UTC, datetime
from typing import Any, Final

from .event import MAX_TIME_MS

#: The largest whole number that every client can write exactly.
MAX_COUNT: Final = 2**53 - 1

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?")
_DIGITS: Final = re.compile(r"[0-9]{1,16}")
#: BrightScript's Str() writes a blank where a minus would stand.
_BLANKS: Final = " \t\r\n"
#: A number from the first to below the second is an instant in seconds: of the years 2017 to 2200. Taken for
#: milliseconds it would be 17 to 84 days after 1970.
_FIRST_SECOND: Final = 1_500_000_000
_SECONDS_END: Final = MAX_TIME_MS // 1_000
_MAX_INSTANT_CHARS: Final = 40
_MAX_SHORT: Final = 16


def number(said: Any) -> int | float | None:
    """The finite number that a value or text is; None if it is none. Booleans are none."""
    if isinstance(said, str):
        said = said.strip(_BLANKS)
        if _DIGITS.fullmatch(said):
            return int(said)
        if _NUMBER.fullmatch(said) is None:
            return None
        said = float(said)
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    if isinstance(said, float):
        return said if math.isfinite(said) else None
    # No reader of ours takes more, and Python can make no fraction of a number this large.
    return said if abs(said) <= MAX_COUNT else None


def whole(said: Any, most: int = MAX_COUNT) -> int | None:
    """The whole number from 0 to `most` that is nearest to a value or text; None if there is none."""
    # Nearly all are digits: 0.3 µs instead of 1.
    if type(said) is str and len(said) <= _MAX_SHORT and said.isascii() and said.isdigit():
        said = int(said)
        return said if said <= most else None
    if type(said) is int:
        return said if 0 <= said <= most else None
    found = number(said)
    if found is None or abs(found) > MAX_COUNT:
        return None
    found = math.floor(found + 0.5) if isinstance(found, float) else found
    return found if 0 <= found <= most else None


def instant_ms(said: Any) -> int | None:
    """The instant from 1970 to 2200 that a value or text tells, in milliseconds since the epoch; None if it is none."""
    if type(said) is int and _SECONDS_END <= said <= MAX_TIME_MS:
        return said
    found = number(said)
    if found is None:
        return _by_calendar(said) if isinstance(said, str) else None
    if _FIRST_SECOND <= found < _SECONDS_END:
        found = found * 1_000
    return whole(found, MAX_TIME_MS)


def _by_calendar(text: str) -> int | None:
    """ISO 8601, as `Date.toISOString` and its like write it."""
    text = text.strip(_BLANKS)
    if not text.isascii() or len(text) > _MAX_INSTANT_CHARS or "T" not in text.upper().replace(" ", "T"):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        return whole((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1_000, MAX_TIME_MS)
    except (OverflowError, ValueError):
        return None
