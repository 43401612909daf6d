"""Numbers and reasons as people say them."""

import pytest

from harness.hits import NOW_MS
from latchstring_gateway.dashboard import words
from latchstring_gateway.reports.answer import Answer
from latchstring_gateway.reports.question import question


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0\N{NO-BREAK SPACE}min"), (1_800, "30\N{NO-BREAK SPACE}min"), (5_400, "1.5\N{NO-BREAK SPACE}h"),
     (4_334_400, "1,204\N{NO-BREAK SPACE}h")],
)  # fmt: skip
def test_viewing_time_has_a_fitting_unit(seconds: float, said: str) -> None:
    """Minutes below an hour, tenths of hours below a hundred."""
    assert words.hours(seconds) == said


def test_counts_have_their_thousands_apart() -> None:
    """Also before a noun."""
    assert [words.count_of(number, "view") for number in (1, 11, 12_345)] == ["1 view", "11 views", "12,345 views"]


def test_devices_stand_in_a_sentence() -> None:
    """What is written in capitals stays so; what is new is said as it came."""
    assert [words.within_sentence(words.device(kind)) for kind in ("tv", "phone", "fridge")] == [
        "TVs",
        "phones",
        "fridge",
    ]


def test_method_tells_what_counts_and_what_was_left_out() -> None:
    """Nothing asked, nothing said; a reason that is new is told by its code."""
    asked = question("pages", {}, now_ms=NOW_MS, partner_people=10)

    def method(gross: int, excluded: dict[str, int]) -> str:
        net = gross - sum(excluded.values())
        return words.method(
            Answer(
                question=asked, as_of_ms=NOW_MS, watermark_ms=NOW_MS, gross=gross, net=net, excluded=excluded,
                visitors=0, visitors_error=0.0, columns=[], rows=[],
            )
        )  # fmt: skip

    assert method(0, {}) == ""
    assert method(1_234, {}) == "1,234 of 1,234 events count."
    assert method(10, {"bot": 2, "new": 1}) == "7 of 10 events count; left out: 2 from bots and 1 new."
