"""Viewing: how long people watched, whatever happens to their heartbeats."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import warehouse
from harness.hits import CHROME, NOW_MS, TRUSTED, batch, write_segment
from latchstring_gateway.clock import ManualClock
from latchstring_gateway.reports.ask import ask
from latchstring_gateway.reports.question import question
from latchstring_gateway.shipping.run import Shipper

_BEAT_MS = 10_000


@dataclass
class Told:
    """One heartbeat, and how long was really watched when it was sent."""

    beat: dict[str, Any]
    watched_ms: int


def _viewing(acts: list[tuple[str, int]], name: str = "v") -> list[Told]:
    """The heartbeats of somebody who plays, pauses, seeks and changes speed, as a player sends them."""
    at, position, rate, state, watched = NOW_MS - 3_000_000, 0, 1.0, "paused", 0
    told: list[Told] = []

    def beat() -> None:
        said: dict[str, Any] = {
            "type": "heartbeat",
            "media": "film",
            "visitor": "ada",
            "viewing": name,
        }
        said |= {"ping": len(told), "position_ms": position, "play_state": state, "playback_rate": rate}
        told.append(Told({**said, "occurred_at": at, "received_at": at + 50}, watched))

    beat()
    for act, amount in acts:
        if act == "wait":
            left = amount * 1_000
            while left:
                step = min(left, _BEAT_MS)
                at, left = at + step, left - step
                if state == "playing":
                    watched, position = watched + step, position + round(step * rate)
                beat()
        elif act == "seek":
            position = max(0, position + amount * 1_000)
            beat()
        elif act == "speed":
            rate = (0.5, 1.0, 2.0)[amount % 3]
            beat()
        else:
            state = act
            beat()
    return told


_ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 60)),
        st.tuples(st.just("seek"), st.integers(-300, 300)),
        st.tuples(st.just("speed"), st.integers(0, 2)),
        st.tuples(st.sampled_from(["playing", "paused"]), st.just(0)),
    ),
    max_size=12,
)


def _asked(data_dir: Path, by: str = "title", **more: list[str]) -> list[dict[str, Any]]:
    asked = question("viewing", {"by": [by], **more}, now_ms=NOW_MS, partner_people=10)
    answer = ask(data_dir, asked, ManualClock())
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def _figures(data_dir: Path, beats: list[dict[str, Any]]) -> tuple[int, int]:
    """Seconds that were surely watched, and that perhaps were."""
    for half in (beats[::2], beats[1::2]):
        if half:
            warehouse.commit(data_dir, half)
    (row,) = _asked(data_dir)
    return row["seconds"], row["uncertain_seconds"]


@settings(max_examples=40, deadline=None)
@given(acts=_ACTS, chance=st.randoms(use_true_random=False), lost=st.floats(0, 0.7))
def test_lost_doubled_and_reordered_heartbeats_leave_the_truth_between_the_bounds(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]], chance: Any, lost: float
) -> None:
    """What is told as watched was watched; what may have been watched besides is told too."""
    told = _viewing(acts)
    kept = [one for one in told if chance.random() >= lost] or told[:1]
    truth = (kept[-1].watched_ms - kept[0].watched_ms) / 1_000
    beats = [one.beat for one in kept]
    beats += [{**beat, "received_at": beat["received_at"] + 900} for beat in beats if chance.random() < 0.3]
    chance.shuffle(beats)

    seconds, uncertain = _figures(tmp_path_factory.mktemp("data"), beats)

    # Each bound is rounded to whole seconds.
    assert seconds - 0.5 <= truth <= seconds + uncertain + 1
    if len(kept) == len(told):
        assert abs(seconds - truth) <= 0.5
        assert uncertain == 0


def test_each_viewing_stands_for_itself(tmp_path: Path) -> None:
    """Two screens of one visitor add up; heartbeats that name no viewing are told as left out."""
    acts = [("playing", 0), ("wait", 60)]
    beats = [one.beat for name in ("tv", "phone") for one in _viewing(acts, name)]
    warehouse.commit(tmp_path, [*beats, {"type": "heartbeat", "media": "film"}, {**beats[3], "machine": "bot"}])

    asked = question("viewing", {}, now_ms=NOW_MS, partner_people=10)
    answer = ask(tmp_path, asked, ManualClock())

    assert answer.rows == [["film", 0.03, 120, 0, 2, 1]]
    assert (answer.gross, answer.net) == (len(beats) + 2, len(beats))
    assert answer.excluded == {"bot": 1, "no_viewing": 1}


def test_viewing_over_midnight_counts_on_the_day_it_was(tmp_path: Path) -> None:
    """The last heartbeat of the day before is looked at and not counted."""
    midnight = NOW_MS // 86_400_000 * 86_400_000
    beats = [one.beat for one in _viewing([("playing", 0), ("wait", 40)])]
    shift = midnight - beats[3]["received_at"]
    moved = [{**beat, **{at: beat[at] + shift for at in ("received_at", "occurred_at")}} for beat in beats]
    warehouse.commit(tmp_path, moved)

    assert [(row["day"], row["seconds"]) for row in _asked(tmp_path, "day")] == [
        ("2027-01-14", 10),
        ("2027-01-15", 30),
    ]
    assert [row["seconds"] for row in _asked(tmp_path, "day", **{"from": ["2027-01-15"]})] == [30]
    assert [row["weekday"] for row in _asked(tmp_path, "weekday")] == ["4 23", "5 00"]


def test_unnumbered_heartbeats_are_neighbours_if_they_are_close(tmp_path: Path) -> None:
    """A wire without running numbers: what is further apart than a minute is uncertain."""
    beats = [one.beat | {"ping": None} for one in _viewing([("playing", 0), ("wait", 180)])]

    assert _figures(tmp_path, [beats[1], beats[2], beats[-1]]) == (10, 170)


def test_viewing_of_the_own_wire_is_counted_without_any_pseudonym(tmp_path: Path) -> None:
    """Whoever said nothing of consent is watched by nobody, and his seconds count."""
    said = {"type": "heartbeat", "page": "/watch/1", "media": "film", "viewing": "v", "play_state": "playing"}
    beats = [{**said, "ping": ping, "position_ms": ping * 1_000, "t": NOW_MS + ping * 1_000} for ping in range(3)]
    write_segment(tmp_path, [batch(json.dumps(beats).encode(), [(b"user-agent", CHROME)])])
    with Shipper(tmp_path, ManualClock(), TRUSTED) as shipper:
        shipper.ship_once()

    (row,) = _asked(tmp_path)

    assert (row["title"], row["seconds"], row["uncertain_seconds"], row["viewings"], row["visitors"]) == (
        "film", 2, 0, 1, 0,
    )  # fmt: skip


def test_partners_see_titles_that_enough_people_watched(tmp_path: Path) -> None:
    """A title of few is withheld, and another one with it."""
    beats = []
    for title, people in (("loved", 20), ("liked", 12), ("unknown", 2)):
        for person in range(people):
            told = _viewing([("playing", 0), ("wait", 20)], f"{title}{person}")
            beats += [{**one.beat, "media": title, "visitor": str(person)} for one in told]
    warehouse.commit(tmp_path, beats)

    asked = question("viewing", {"partner": ["yes"], "month": ["2027-01"]}, now_ms=NOW_MS + 30 * 86_400_000,
                     partner_people=10)  # fmt: skip
    answer = ask(tmp_path, asked, ManualClock())

    assert [row[0] for row in answer.rows] == ["loved"]
    assert answer.withheld is not None
    assert (answer.withheld.rows, answer.withheld.below_people) == (2, 10)


@pytest.mark.parametrize(
    "said",
    [
        {"position_ms": 2**63 - 1},
        {"position_ms": -(2**63)},
        {"ping": 2**63 - 1},
        {"ping": -(2**63)},
        {"playback_rate": 1e-300},
        {"playback_rate": float("nan")},
        {"occurred_at": 7_258_118_400_000},
        {"occurred_at": 0},
        {"position_ms": None},
        {"viewing": None, "visitor": None},
        {"play_state": "\ud7ff"},
    ],
)
def test_nonsense_neither_breaks_the_report_nor_adds_hours(tmp_path: Path, said: dict[str, Any]) -> None:
    """One stranger's heartbeat, made up by hand, between ten good ones."""
    beats = [one.beat for one in _viewing([("playing", 0), ("wait", 100)])]

    seconds, _ = _figures(tmp_path, [*beats[:5], {**beats[5], **said}, *beats[6:]])

    assert 70 <= seconds <= 100
