"""What an event says beside its columns, as a JSON object of bounded length; what does not fit is left out by name."""

from collections.abc import Mapping
from typing import Any

import msgspec

#: What the writer of JSON refuses though a reader took it: it has limits of its own for depth and for whole numbers.
_UNWRITABLE = (ValueError, TypeError, OverflowError, RecursionError)


def written(properties: Mapping[str, Any], most_bytes: int, dropped: list[str]) -> bytes:
    """The properties as JSON, names in order; empty if there are none.

    One that cannot be written is left out, and of too many the longest; `dropped` then says `bad_properties` or
    `properties_too_long`.
    """
    if not properties:
        return b""
    try:
        text = msgspec.json.encode(properties, order="deterministic")
        if len(text) <= most_bytes:
            return text
    except _UNWRITABLE:
        pass
    return _as_far_as_possible(properties, most_bytes, dropped)


def _as_far_as_possible(properties: Mapping[str, Any], most_bytes: int, dropped: list[str]) -> bytes:
    parts: dict[str, bytes] = {}
    for name, value in properties.items():
        try:
            parts[name] = msgspec.json.encode({name: value}, order="deterministic")[1:-1]
        except _UNWRITABLE:
            note(dropped, "bad_properties")
    length = 1 + sum(len(part) + 1 for part in parts.values())
    for name in sorted(parts, key=lambda name: len(parts[name]), reverse=True):
        if length <= most_bytes:
            break
        length -= len(parts.pop(name)) + 1
        note(dropped, "properties_too_long")
    return b"{" + b",".join(parts[name] for name in sorted(parts)) + b"}" if parts else b""


def note(dropped: list[str], code: str) -> None:
    """Say once that something was left out."""
    if code not in dropped:
        dropped.append(code)
