"""Properties of an event: written as JSON of bounded length, what does not fit left out by name."""

import json

import pytest

from latchstring_gateway.shipping.loose_json import UNREADABLE
from latchstring_gateway.shipping.properties import note, written


def test_names_are_in_order_whatever_order_they_came_in() -> None:
    """Two spellings of one event have one fingerprint."""
    assert written({"b": 1, "a": 2}, 100, []) == written({"a": 2, "b": 1}, 100, []) == b'{"a":2,"b":1}'
    assert written({}, 100, []) == b""


@pytest.mark.parametrize("bad", [UNREADABLE, [UNREADABLE], {"a": [UNREADABLE]}])
def test_a_property_that_cannot_be_written_is_left_out(bad: object) -> None:
    """It took the whole event along."""
    dropped: list[str] = []

    assert written({"bad": bad, "goal": "trial"}, 100, dropped) == b'{"goal":"trial"}'
    assert dropped == ["bad_properties"]


def test_of_too_many_the_longest_go() -> None:
    """As many stay as fit."""
    dropped: list[str] = []
    said = {"long": "x" * 60, "longer": "x" * 70, "goal": "trial"}

    text = written(said, 100, dropped)

    assert json.loads(text) == {"long": "x" * 60, "goal": "trial"}
    assert (len(text) <= 100, dropped) == (True, ["properties_too_long"])
    assert written({"x": "y" * 200}, 100, []) == b""


def test_a_code_is_noted_once() -> None:
    """Ten long properties are one code."""
    dropped = ["bad_id"]

    note(dropped, "bad_id")

    assert dropped == ["bad_id"]
