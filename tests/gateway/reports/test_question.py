"""Questions: what may be asked, and that everything else is refused in words."""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.hits import NOW_MS
from latchstring_gateway.errors import BadRequest
from latchstring_gateway.reports.question import BREAKDOWNS, NAMES, REPORTS, Question, question

_LATER_MS = NOW_MS + 30 * 86_400_000


def _asked(report: str, *, now_ms: int = NOW_MS, **asked: str) -> Question:
    lists = {name.removesuffix("_"): [value] for name, value in asked.items()}
    return question(report, lists, now_ms=now_ms, partner_people=10)


def test_usual_question_is_of_the_last_thirty_days() -> None:
    """Today, as far as it has gone, is one of them."""
    asked = _asked("pages")

    assert (asked.first_day, asked.last_day) == (date(2026, 12, 17), date(2027, 1, 15))
    assert (asked.by, asked.limit, asked.partner_people) == ("page", 20, 0)


def test_days_are_told_in_several_ways() -> None:
    """From and to, so many days, or a month."""
    assert _asked("pages", days="1").first_day == date(2027, 1, 15)
    assert _asked("pages", to="2026-03-01", days="2").first_day == date(2026, 2, 28)
    assert _asked("pages", from_="2026-02-27").first_day == date(2026, 2, 27)
    assert _asked("pages", to="0001-01-02").first_day == date(1, 1, 1)
    month = _asked("pages", month="2028-02")
    assert (month.first_day, month.last_day) == (date(2028, 2, 1), date(2028, 2, 29))


@pytest.mark.parametrize(
    "asked",
    [
        {"from": ["2027-01-16"]},
        {"from": ["2027-1-1"]},
        {"from": ["20270101"]},
        {"from": ["2027-02-30"]},
        {"from": ["2027-01-01\n"]},
        {"from": ["2027-01-01", "2027-01-02"]},
        {"from": []},
        {"month": ["2027-00"]},
        {"month": ["9999-12"]},
        {"month": ["2027-01"], "to": ["2027-01-15"]},
        {"month": ["2027-01"], "days": ["3"]},
        {"days": ["3"], "from": ["2027-01-01"]},
        {"days": ["0"]},
        {"days": ["²"]},
        {"days": ["-1"]},
        {"limit": ["1001"]},
        {"limit": ["99999999999"]},
        {"limit": [""]},
        {"country": ["nl"]},
        {"country": ["NLD"]},
        {"device": ["TV' OR 1=1"]},
        {"campaign": [""]},
        {"campaign": ["x" * 201]},
        {"campaign": ["a\x00b"]},
        {"by": ["country"]},
        {"step": ["view:/"]},
        {"k": ["3"]},
        {"partner": ["no"]},
    ],
)
def test_every_other_question_is_refused(asked: Mapping[str, Sequence[str]]) -> None:
    """With one code, and words that repeat nothing of what came."""
    with pytest.raises(BadRequest) as refused:
        question("pages", asked, now_ms=NOW_MS, partner_people=10)

    assert refused.value.code == "bad_question"
    assert refused.value.detail.startswith("expected ")
    assert "1=1" not in refused.value.detail


@pytest.mark.parametrize(
    "steps", [[], ["view:/"], ["view:/"] * 9, ["view:/", ""], ["view:/", "a b"], ["view:/", ":/a"]]
)
def test_funnel_has_two_to_eight_steps(steps: list[str]) -> None:
    """Each a type, and if wanted a page."""
    with pytest.raises(BadRequest):
        question("funnel", {"step": steps}, now_ms=NOW_MS, partner_people=10)


@given(asked=st.dictionaries(st.sampled_from(sorted(NAMES)), st.lists(st.text(max_size=12), max_size=2), max_size=4))
def test_whatever_is_asked_is_a_question_or_refused(asked: dict[str, list[str]]) -> None:
    """No third thing: a query string never ends in a fault of ours."""
    for report in REPORTS:
        with contextlib.suppress(BadRequest):
            assert question(report, asked, now_ms=NOW_MS, partner_people=10).by in BREAKDOWNS[report]


def test_partners_have_whole_months_that_are_over() -> None:
    """Of two answers none can be subtracted from the other."""
    asked = _asked("audience", now_ms=_LATER_MS, partner="yes", month="2027-01", by="country")

    assert asked.partner_people == 10


@pytest.mark.parametrize(
    ("report", "asked"),
    [
        ("pages", {}),
        ("pages", {"days": "7"}),
        ("pages", {"from": "2027-01-01", "to": "2027-01-31"}),
        ("pages", {"month": "2027-02"}),
        ("pages", {"month": "2027-01", "country": "NL"}),
        ("pages", {"month": "2027-01", "device": "tv"}),
        ("pages", {"month": "2027-01", "campaign": "spring"}),
        ("clicks", {"month": "2027-01", "by": "campaign"}),
        ("viewing", {"month": "2027-01", "by": "day"}),
        ("audience", {"month": "2027-01"}),
        ("live", {"month": "2027-01"}),
    ],
)
def test_partners_have_nothing_that_could_be_compared(report: str, asked: dict[str, str]) -> None:
    """No part of a month, no filter, no table that is a part of another."""
    lists = {name: [value] for name, value in {**asked, "partner": "yes"}.items()}
    with pytest.raises(BadRequest):
        question(report, lists, now_ms=_LATER_MS, partner_people=10)
