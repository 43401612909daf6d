"""The columns: one list, which rows, files and the document follow."""

from pathlib import Path

import pytest

from latchstring_gateway.shipping.columns import (
    COLUMNS,
    EVENT,
    LATE_AFTER_MS,
    RECORD,
    SENDER,
    VERDICT,
    happened_at,
    lateness,
)
from latchstring_gateway.shipping.enrich import Sender
from latchstring_gateway.shipping.event import Event

_DOCUMENT = Path(__file__).parents[3] / "docs" / "warehouse.md"


def test_event_and_sender_begin_with_the_fields_that_have_columns() -> None:
    """Rows are made by laying tuples side by side, so their order is the columns' order."""
    assert Event._fields[: len(EVENT)] == tuple(column.name for column in EVENT)
    assert Sender._fields[: len(SENDER)] == tuple(column.name for column in SENDER)
    assert (*RECORD, *EVENT, *SENDER, *VERDICT) == COLUMNS
    assert len({column.name for column in COLUMNS}) == len(COLUMNS)


def test_every_column_is_told_in_the_document() -> None:
    """Whoever writes a query finds name, type and meaning of each column."""
    text = _DOCUMENT.read_text()

    for column in COLUMNS:
        required = "yes" if column.required else ""
        assert f"| `{column.name}` | {column.type} | {required} | {column.meaning} |" in text


@pytest.mark.parametrize(
    ("received", "occurred", "sent", "late"),
    [
        (LATE_AFTER_MS, None, None, None),
        (LATE_AFTER_MS, None, 5, None),
        (LATE_AFTER_MS, 0, None, False),
        (LATE_AFTER_MS + 1, 0, None, True),
        (0, 5, None, False),
        (LATE_AFTER_MS * 9, 5, LATE_AFTER_MS, False),
        (0, 0, LATE_AFTER_MS + 1, True),
    ],
)
def test_late_is_measured_by_one_clock(received: int, occurred: int, sent: int | None, late: bool | None) -> None:
    """The tracker's own clock if it says when it sent, else ours against its; not known if it says nothing."""
    assert lateness(received, occurred, sent) is late


@pytest.mark.parametrize(
    ("occurred", "sent", "expected"),
    [
        (None, None, None),
        (None, 5_000, None),
        (7_000, None, 7_000),
        (10_001, None, 10_000),
        # A clock that is an hour ahead, one that stands at 1970, and one that was set between event and sending.
        (3_605_000, 3_609_000, 6_000),
        (500, 1_500, 9_000),
        (5_000, 4_000, 10_000),
        (0, 99_000, 0),
    ],
)
def test_time_of_an_event_is_corrected_by_when_it_was_sent(
    occurred: int | None, sent: int | None, expected: int | None
) -> None:
    """Received at 10 s: as long before that as the tracker waited, whatever its clock shows."""
    assert happened_at(10_000, occurred, sent) == expected
