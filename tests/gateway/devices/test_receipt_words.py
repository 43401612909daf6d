"""Receipts in the words of the owner."""

from dataclasses import replace
from datetime import UTC

import pytest

from harness.devices_stand import COMPLETE, NOW_MS, PARTIAL
from latchstring_gateway.devices.receipt_words import tell
from latchstring_gateway.pages.language import Language, english
from latchstring_gateway.pages.languages import read_languages

DUTCH, ARABIC = read_languages(["nl", "ar"])


def test_a_complete_receipt_says_everywhere_and_how_many() -> None:
    """The sentence names the device, the servers that confirmed and the time it took."""
    told = tell(COMPLETE, ["Living-room TV"], english(), UTC)

    assert told.complete
    assert told.sentence.replace("\N{NO-BREAK SPACE}", " ") == (
        "<bdi>Living-room TV</bdi> is signed out everywhere (12 of 12 servers confirmed, 4 ms)."
    )
    assert told.certainty == []


def test_a_partial_receipt_says_who_is_missing_and_until_when() -> None:
    """It never says everywhere; it says from when it is certain."""
    told = tell(PARTIAL, ["Living-room TV"], english(), UTC)

    assert not told.complete
    assert told.sentence == "<bdi>Living-room TV</bdi> is signed out on 11 of 12 servers so far."
    assert told.certainty == [
        "1 server has not answered yet: <bdi>worker-7</bdi>.",
        "It is certain everywhere by 23:01:06 UTC at the latest. You need not do anything more.",
    ]


def test_a_partial_receipt_may_miss_nobody() -> None:
    """After a fail-over everybody may have answered and it is still open until a time."""
    told = tell(replace(PARTIAL, missing=(), certain_at_ms=NOW_MS), ["A", "B"], english(), UTC)

    assert told.sentence.startswith("2 devices are signed out on")
    assert told.certainty == ["It is certain everywhere by 23:00:00 UTC at the latest. You need not do anything more."]


def test_a_receipt_that_a_power_cut_could_undo_says_so() -> None:
    """Not durable means: said, not hidden."""
    told = tell(replace(COMPLETE, durable=False), ["A"], english(), UTC)

    assert "lost power" in told.certainty[0]


@pytest.mark.parametrize(
    ("language", "workers", "said"),
    [
        (DUTCH, 12, "<bdi>TV</bdi> is overal afgemeld (12 van 12 servers bevestigd, 4 ms)."),
        (DUTCH, 1, "<bdi>TV</bdi> is overal afgemeld (1 van 1 server bevestigd, 4 ms)."),
        (ARABIC, 12, "تم تسجيل الخروج من <bdi>TV</bdi> في كل مكان (أكّد ذلك 12 من أصل 12 خادمًا، 4 ملي ث)."),
        (ARABIC, 2, "تم تسجيل الخروج من <bdi>TV</bdi> في كل مكان (أكّد ذلك 2 من أصل خادمين، 4 ملي ث)."),
        (ARABIC, 5, "تم تسجيل الخروج من <bdi>TV</bdi> في كل مكان (أكّد ذلك 5 من أصل 5 خوادم، 4 ملي ث)."),
    ],
)
def test_a_receipt_counts_as_its_language_does(language: Language, workers: int, said: str) -> None:
    """Arabic has a form for one, for two, for a few and for many."""
    told = tell(replace(COMPLETE, applied=workers, workers=workers), ["TV"], language, UTC)

    assert told.sentence.replace("\N{NO-BREAK SPACE}", " ") == said


def test_many_devices_are_counted_too() -> None:
    """As after signing out all others."""
    names = [f"TV {number}" for number in range(11)]

    assert tell(COMPLETE, names, ARABIC, UTC).sentence.startswith("تم تسجيل الخروج من 11 جهازًا في كل مكان")
