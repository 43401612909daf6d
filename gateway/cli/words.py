"""How commands speak: times as people say them, text of strangers, and how a command gives up."""

import sys
from datetime import UTC, datetime
from typing import Final, NoReturn

import typer

_UNITS: Final = ((365 * 86_400, "y"), (86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def span(milliseconds: int) -> str:
    """The two largest units of a span, its sign dropped: "3 d 4 h", "12 s"."""
    seconds = abs(milliseconds) // 1_000
    parts = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def relative(at_ms: int, now_ms: int) -> str:
    """An instant seen from now: "in 4 min 10 s", "2 h ago", "now"."""
    if abs(at_ms - now_ms) < 1_000:
        return "now"
    return f"in {span(at_ms - now_ms)}" if at_ms > now_ms else f"{span(now_ms - at_ms)} ago"


def printable(text: str) -> str:
    """What a visitor sent, so that it cannot steer the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def utc_time(at_ms: int) -> str:
    """An instant, to the second."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def give_up(error: Exception) -> NoReturn:
    """Say on stderr what is wrong and leave with status 1."""
    print(error, file=sys.stderr)
    raise typer.Exit(1)
