"""Entries of the outbox as they are read."""

import json

import pytest

from latchstring_gateway.hooks.event import position, read, text_of

_ENTRY = {
    "id": "evt_1",
    "type": "x.y",
    "account": "ada",
    "at_ms": "1800000000123",
    "data": '{"device": "d"}',
}


def test_an_entry_is_read_as_it_is_sent() -> None:
    """Type, time in UTC to the millisecond, account and data."""
    event = read(_ENTRY)

    assert event is not None
    assert json.loads(event.body) == {
        "type": "x.y",
        "timestamp": "2027-01-15T08:00:00.123Z",
        "data": {"account": "ada", "device": "d"},
    }


@pytest.mark.parametrize(
    "changed", [{"data": "{"}, {"data": "1"}, {"at_ms": "x"}, {"at_ms": "9" * 30}, {"data": "null"}, {"data": '"x"'}]
)
def test_an_entry_that_cannot_be_read_is_none(changed: dict[str, str]) -> None:
    """Never an exception: it costs itself."""
    assert read({**_ENTRY, **changed}) is None
    assert read({name: value for name, value in _ENTRY.items() if name not in changed}) is None


def test_positions_compare_as_numbers() -> None:
    """9 comes before 10, which their texts deny."""
    assert position("5-9") < position("5-10") < position("10-0")
    assert text_of(position("5-10")) == "5-10"
