"""JSON as clients really send it, which is nearly JSON: one slip costs the value it is in and none beside it.

half of a surrogate pair    U+FFFD: JavaScript cut a string in the middle of an emoji
bytes that are no UTF-8     U+FFFD
NaN, Infinity, 1e999        UNREADABLE: a value that no reader takes
control characters          as they are
an array with a bad item    `items` gives each item by itself
"""

import json
import re
from typing import Any, Final

import msgspec

#: One escaped character of a JSON text: a whole pair of surrogates, half of one (group 1), or any other.
_ESCAPED: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
#: A string, closed or not, or one of the marks between values. Linear: whatever begins a string ends it, too.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?+\Z)|[\[\]{},]', re.DOTALL)
_MARK: Final = b"\xef\xbb\xbf"
#: Longer whole numbers take Python too long to read.
_MAX_DIGITS: Final = 400


class _Unreadable:
    """What stands for a number that is none."""

    def __repr__(self) -> str:
        return "UNREADABLE"


UNREADABLE: Final = _Unreadable()


def without_mark(text: bytes) -> bytes:
    """The text without the byte order mark of UTF-8 that .NET, PowerShell and editors put before it."""
    return text.removeprefix(_MARK)


def read(text: bytes) -> Any:
    """The value of a JSON text. Raises ValueError if it is none, or too deep."""
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        pass
    try:
        return _loose(_ESCAPED.sub(_mended, text.decode("utf-8", "replace")))
    except RecursionError:
        raise ValueError("expected less depth") from None


def items(text: bytes) -> list[bytes] | None:
    """The texts of an array's items, each good or bad by itself; None if the text is no array to its end.

    An array that was cut off has the items it has, the last one perhaps in part. Takes linear time.
    """
    text = text.strip()
    if not text.startswith(b"["):
        return None
    found: list[bytes] = []
    depth, begin = 0, 1
    for token in _TOKEN.finditer(text):
        mark = text[token.start()]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
            if depth == 0:
                if token.end() != len(text):
                    return None
                found.append(text[begin : token.start()].strip())
                break
        elif mark in b"," and depth == 1:
            found.append(text[begin : token.start()].strip())
            begin = token.end()
    else:
        found.append(text[begin:].strip())
    return found[:-1] if found and not found[-1] else found


def _mended(escaped: re.Match[str]) -> str:
    return escaped[0] if escaped[1] is None else r"\ufffd"


def _whole(digits: str) -> Any:
    return int(digits) if len(digits) <= _MAX_DIGITS else UNREADABLE


def _fraction(digits: str) -> Any:
    value = float(digits)
    return value if abs(value) != float("inf") else UNREADABLE


_loose: Final = json.JSONDecoder(
    strict=False, parse_int=_whole, parse_float=_fraction, parse_constant=lambda _: UNREADABLE
).decode
