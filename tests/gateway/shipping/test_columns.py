"""The columns: one list, which rows, files and the document follow."""

from pathlib import Path

from latchstring_gateway.shipping.columns import (
    COLUMNS,
    EVENT,
    RECORD,
    SENDER,
    VERDICT,
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
