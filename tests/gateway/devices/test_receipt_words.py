"""Receipts in the words of the owner."""

from dataclasses import replace
from datetime import UTC

from harness.devices_stand import COMPLETE, NOW_MS, PARTIAL
from latchstring_gateway.devices.receipt_words import tell


def test_a_complete_receipt_says_everywhere_and_how_many() -> None:
    """The sentence names the device, the servers that confirmed and the time it took."""
    told = tell(COMPLETE, ["Living-room TV"], UTC)

    assert told.complete
    assert told.sentence.replace("\N{NO-BREAK SPACE}", " ") == (
        "Living-room TV is signed out everywhere (12 of 12 servers confirmed, 4 ms)."
    )
    assert told.certainty == []


def test_a_partial_receipt_says_who_is_missing_and_until_when() -> None:
    """It never says everywhere; it says from when it is certain."""
    told = tell(PARTIAL, ["Living-room TV"], UTC)

    assert not told.complete
    assert told.sentence == "Living-room TV is signed out on 11 of 12 servers so far."
    assert told.certainty == [
        "1 server has not answered yet: worker-7.",
        "It is certain everywhere by 23:01:06 UTC at the latest. You need not do anything more.",
    ]


def test_a_partial_receipt_may_miss_nobody() -> None:
    """After a fail-over everybody may have answered and it is still open until a time."""
    told = tell(replace(PARTIAL, missing=(), certain_at_ms=NOW_MS), ["A", "B"], UTC)

    assert told.sentence.startswith("2 devices are signed out on")
    assert told.certainty == ["It is certain everywhere by 23:00:00 UTC at the latest. You need not do anything more."]


def test_a_receipt_that_a_power_cut_could_undo_says_so() -> None:
    """Not durable means: said, not hidden."""
    told = tell(replace(COMPLETE, durable=False), ["A"], UTC)

    assert "lost power" in told.certainty[0]
