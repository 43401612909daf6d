"""Entries as the stream and the bell carry them."""

import pytest

from latchstring_gateway.revocation.entry import Entry, parse


def test_an_entry_is_read_word_by_word() -> None:
    """The seven words of a bell become the seven fields."""
    entry = parse("17 account ada@example.com 3 1800000000123 1f.PLkv w.1.x")

    assert entry == Entry(17, "account", "ada@example.com", 3, 1_800_000_000_123, "1f.PLkv", "w.1.x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17 device d 0 1 r",
        "17 device d 0 1 r - more",
        "17  device d 0 1 r -",
        "x device d 0 1 r -",
        "17 browser d 0 1 r -",
        "17 everyone 07 1 1 r -",
        "17 device d x 1 r -",
        "17 device d 0 1.5 r -",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """A bell that the scripts cannot have rung is an error and never an entry."""
    with pytest.raises(ValueError):
        parse(text)
