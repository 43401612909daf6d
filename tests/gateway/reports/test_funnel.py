"""Funnels: in order, in time, by whoever can be followed; held against counting by hand."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import warehouse
from harness.hits import NOW_MS
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.reports.answer import Answer
from latchstring_gateway.reports.ask import ask
from latchstring_gateway.reports.question import question

_HOUR_MS = 3_600_000


def _asked(data_dir: Path, *steps: str, within_hours: int = 2) -> Answer:
    asked = {"step": list(steps), "within_hours": [str(within_hours)]}
    return ask(data_dir, question("funnel", asked, now_ms=NOW_MS, partner_people=10), ManualClock())


def _event(visitor: str | None, page: str, minutes: int = 0, **more: Any) -> dict[str, Any]:
    return {"visitor": visitor, "page": page, "received_at": NOW_MS - 24 * _HOUR_MS + minutes * 60_000, **more}


def _by_hand(events: list[tuple[str, int]], steps: list[str], within: int) -> int:
    """How many steps one visitor reached: every chain is tried."""
    best = 0
    ordered = sorted(enumerate(events), key=lambda one: (one[1][1], one[0]))

    def follow(at: int, reached: int, begun: int) -> None:
        nonlocal best
        best = max(best, reached)
        for place in range(at, len(ordered)):
            page, minute = ordered[place][1]
            if reached < len(steps) and page == steps[reached]:
                start = minute if reached == 0 else begun
                if minute - start <= within:
                    follow(place + 1, reached + 1, start)

    follow(0, 0, 0)
    return best


_WALK = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 400)), max_size=7)


@settings(max_examples=20, deadline=None)
@given(walks=st.lists(_WALK, min_size=1, max_size=3), steps=st.lists(st.sampled_from("abc"), min_size=2, max_size=4))
def test_visitors_of_each_step_are_those_counted_by_hand(
    tmp_path_factory: pytest.TempPathFactory, walks: list[list[tuple[str, int]]], steps: list[str]
) -> None:
    """The same page may be several steps; a late beginning counts as well as an early one."""
    data_dir = tmp_path_factory.mktemp("data")
    events = [
        _event(str(visitor), f"/{page}", minute, offset=place)
        for visitor, walk in enumerate(walks)
        for place, (page, minute) in enumerate(walk)
    ]
    # The record id orders what came at the same moment; here as it was written.
    warehouse.commit(
        data_dir, [{**event, "record_id": place.to_bytes(16, "big")} for place, event in enumerate(events)]
    )

    answer = _asked(data_dir, *(f"view:/{step}" for step in steps))

    reached = [_by_hand(walk, list(steps), 120) for walk in walks]
    assert [row[1] for row in answer.rows] == [
        sum(1 for found in reached if found > number) for number in range(len(steps))
    ]


def test_machines_and_whoever_cannot_be_followed_are_told_apart(tmp_path: Path) -> None:
    """Gross is every event of a step; the rest is there by reason."""
    warehouse.commit(
        tmp_path,
        [
            _event("ada", "/"),
            _event("ada", "/watch/1", 10, type="view"),
            _event("ada", "/watch/1", 20, type="conversion"),
            _event("bob", "/", 5),
            _event("bob", "/elsewhere", 6),
            _event(None, "/", 7),
            _event("bot", "/", 8, machine="bot"),
        ],
    )

    answer = _asked(tmp_path, "view:/", "view:/watch/*", "conversion")

    assert answer.rows == [
        ["view:/", 2, 1.0, 1.0],
        ["view:/watch/*", 1, 0.5, 0.5],
        ["conversion", 1, 0.5, 1.0],
    ]
    assert (answer.gross, answer.net, answer.excluded) == (6, 4, {"no_visitor": 1, "bot": 1})


def test_star_means_whatever_follows_and_nothing_else(tmp_path: Path) -> None:
    """A page's own % and _ are letters."""
    warehouse.commit(tmp_path, [_event("a", "/100%"), _event("b", "/1000"), _event("c", "/a_b"), _event("d", "/axb")])

    assert _asked(tmp_path, "view:/100%", "view:/a_*").rows[0][1] == 1
    assert _asked(tmp_path, "view:/a_*", "view:/100%").rows[0][1] == 1
    assert _asked(tmp_path, "view:/1*", "view:/100%").rows[0][1] == 2


def test_nobody_yet_is_an_answer(tmp_path: Path) -> None:
    """An empty warehouse has all the steps, and nobody on them."""
    assert [row[1] for row in _asked(tmp_path, "view:/", "click").rows] == [0, 0]


def test_steps_count_in_the_order_in_which_they_happened(tmp_path: Path) -> None:
    """A player that was offline sent its first step after the second, which another request had brought at once: the
    funnel went by receipt and lost the visitor. Clocks that are wrong by years measure a wait all the same.
    """
    wrong_ms = 900 * 24 * _HOUR_MS
    first = _event("v", "/a", 50)
    sent = first["received_at"] + wrong_ms
    late = {"sent_at": sent, "occurred_at": sent - 40 * 60_000, "happened_at": first["received_at"] - 40 * 60_000}
    warehouse.commit(tmp_path, [_event("v", "/b", 20), first | late])

    assert [row[1] for row in _asked(tmp_path, "view:/a", "view:/b").rows] == [1, 1]


@pytest.mark.parametrize(
    "untrusted",
    [
        {"occurred_at": -40, "sent_at": None, "happened_at": -40},
        {"occurred_at": 5, "sent_at": 0, "happened_at": 0},
        {"occurred_at": -8 * 24 * 60, "sent_at": 0, "happened_at": -8 * 24 * 60},
        {"occurred_at": None, "sent_at": None, "happened_at": None},
    ],
    ids=["when it was sent is not told", "sent before it happened", "waited for longer than a week", "nothing is told"],
)
def test_times_that_cannot_be_trusted_are_not(tmp_path: Path, untrusted: dict[str, int | None]) -> None:
    """Then the receipt counts: a clock alone may be wrong, and so may a wait of weeks."""
    first = _event("v", "/a", 50)
    at_ms = first["received_at"]
    told = {name: None if minutes is None else at_ms + minutes * 60_000 for name, minutes in untrusted.items()}
    warehouse.commit(tmp_path, [_event("v", "/b", 20), first | told])

    assert [row[1] for row in _asked(tmp_path, "view:/a", "view:/b").rows] == [1, 0]
