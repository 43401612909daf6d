"""The index of what was counted: whoever claims first counts, once, whoever else ships at the same time."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.hits import NOW_MS
from latchstring_gateway.shipping.claims import Claim, Owner, Verdict, event_claim, hit_claim
from latchstring_gateway.shipping.commits import Run
from latchstring_gateway.shipping.seen import WINDOW_MS, Seen


def _hit(hit_id: str, offset: int = 0, at_ms: int = NOW_MS) -> Claim:
    return hit_claim(hit_id, at_ms=at_ms, offset=offset)


def _event(event_id: str, said: int, offset: int = 0, at_ms: int = NOW_MS) -> Claim:
    return event_claim(event_id, bytes([said]) * 16, at_ms=at_ms, offset=offset, unit=0)


def _claim(seen: Seen, segment: int, *claims: Claim) -> dict[int, Verdict]:
    with seen.transaction():
        return seen.claim(segment, claims)


def test_first_claim_counts_and_every_other_is_a_duplicate(tmp_path: Path) -> None:
    """In the same chunk, the same segment and another one."""
    seen = Seen(tmp_path)
    first, second = seen.number("s1"), seen.number("s2")

    assert _claim(seen, first, _hit("a", 5), _hit("b"), _hit("a", 9)) == {2: "duplicate"}
    assert _claim(seen, first, _hit("c", 20), _hit("a", 21)) == {1: "duplicate"}
    assert _claim(seen, second, _hit("d"), _hit("b")) == {1: "duplicate"}
    seen.close()


def test_claims_made_again_are_still_ones_own(tmp_path: Path) -> None:
    """A segment that is shipped again after a crash is judged as it was the first time."""
    seen = Seen(tmp_path)
    number = seen.number("s1")
    claims = [_hit("a"), _event("e", 1, 5), _event("e", 2, 6), _event("e", 2, 7), _event("e", 1, 8)]
    first = _claim(seen, number, *claims)
    seen.close()

    seen = Seen(tmp_path)
    assert seen.number("s1") == number
    assert _claim(seen, number, *claims) == first == {2: "conflict", 3: "duplicate", 4: "duplicate"}
    seen.close()


def test_window_is_seven_days_either_way(tmp_path: Path) -> None:
    """A retry counts once for a week, whichever of the two is shipped first; what comes later is a new hit."""
    seen = Seen(tmp_path)
    first, second, third = (seen.number(name) for name in ("s1", "s2", "s3"))
    _claim(seen, first, _hit("a"), _event("e", 1))

    assert _claim(seen, second, _hit("a", at_ms=NOW_MS - WINDOW_MS), _event("e", 1, at_ms=NOW_MS + WINDOW_MS)) == {
        0: "duplicate",
        1: "duplicate",
    }
    late = NOW_MS + WINDOW_MS + 1
    assert _claim(seen, second, _hit("a", at_ms=late), _event("e", 2, at_ms=late)) == {}
    assert _claim(seen, third, _hit("a", at_ms=late), _event("e", 2, at_ms=late)) == {0: "duplicate", 1: "duplicate"}
    seen.close()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.integers(0, 2)), max_size=40), st.integers(1, 7))
def test_each_content_under_an_id_counts_once_and_all_but_the_first_are_conflicts(
    tmp_path: Path, said: list[tuple[int, str, int]], chunk: int
) -> None:
    """However events fall into segments and chunks."""
    for file in tmp_path.glob("seen*"):
        file.unlink()
    seen = Seen(tmp_path)
    first: dict[str, int] = {}
    counted: set[tuple[str, int]] = set()
    for segment in range(3):
        events = [(name, content) for of, name, content in said if of == segment]
        number = seen.number(f"s{segment}")
        for start in range(0, len(events), chunk):
            here = events[start : start + chunk]
            verdicts = _claim(seen, number, *(_event(*event, start + at) for at, event in enumerate(here)))
            for at, (name, content) in enumerate(here):
                known = (name, content) in counted
                other = first.setdefault(name, content) != content
                assert verdicts.get(at) == ("duplicate" if known else "conflict" if other else None)
                counted.add((name, content))
    seen.close()


def test_owner_of_what_was_counted_is_known(tmp_path: Path) -> None:
    """Segment, time and place of the one that counts, also where an id stands for two events."""
    seen = Seen(tmp_path)
    number = seen.number("s1")
    _claim(seen, number, _event("e", 1, 7), _event("e", 2, 8))

    assert seen.owner(_event("e", 1, 99)) == Owner("s1", NOW_MS, 7, 0)
    assert seen.owner(_event("e", 2, 99)) == Owner("s1", NOW_MS, 8, 0)
    assert seen.owner(_event("e", 3)) is None
    assert seen.owner(_event("e", 1, at_ms=NOW_MS + WINDOW_MS + 1)) is None
    seen.close()


def test_forgotten_keys_take_no_room(tmp_path: Path) -> None:
    """Those of before a time go."""
    seen = Seen(tmp_path)
    _claim(seen, seen.number("s1"), _hit("a"))

    assert seen.forget_keys(NOW_MS, keys=1_000)
    assert seen.owner(_hit("a")) is not None
    assert seen.forget_keys(NOW_MS + 1, keys=1_000)
    assert seen.owner(_hit("a")) is None
    seen.close()


def test_segment_that_will_never_be_committed_frees_what_it_claimed(tmp_path: Path) -> None:
    """Somebody removed it from the journal by hand: its hits are gone, their retries count."""
    seen = Seen(tmp_path)
    gone, other = seen.number("s1"), seen.number("s2")
    _claim(seen, gone, _hit("a"))
    with seen.transaction():
        seen.take_runs(gone, [Run("j", 0, 9)])
        seen.give_up(gone)
        assert seen.others(other, Run("j", 0, 9)) == []

    assert _claim(seen, other, _hit("a")) == {}
    assert seen.open_segments() == {"s2": other}
    seen.close()


def test_runs_of_other_segments_are_told_and_ones_own_are_not(tmp_path: Path) -> None:
    """Also before either is committed: two shippers may have a copy each in their hands."""
    seen = Seen(tmp_path)
    first, second = seen.number("s1"), seen.number("s2")
    with seen.transaction():
        seen.take_runs(first, [Run("j", 0, 9)])
        seen.take_runs(first, [Run("j", 0, 9), Run("j", 20, 29)])

        assert seen.others(first, Run("j", 0, 99)) == []
        assert seen.others(second, Run("j", 10, 19)) == []
        assert seen.others(second, Run("j", 9, 20)) == [Run("j", 0, 9), Run("j", 20, 29)]
        assert seen.others(second, Run("k", 9, 20)) == []
    seen.close()


def test_committed_runs_that_touch_become_one(tmp_path: Path) -> None:
    """A worker that runs for months has one line in the index, not one for each segment."""
    seen = Seen(tmp_path)
    seen.committed(seen.number("s1"), [Run("j", 0, 9)])
    seen.committed(seen.number("s2"), [Run("j", 10, 19), Run("j", 30, 39), Run("k", 20, 29)])
    seen.committed(seen.number("s3"), [Run("j", 40, 49)])

    with seen.transaction():
        found = seen.others(seen.number("s4"), Run("j", 0, 99))
    assert sorted(found, key=lambda run: run.first) == [Run("j", 0, 19), Run("j", 30, 49)]
    assert all(map(seen.is_committed, ("s1", "s2", "s3")))
    seen.close()


def test_more_keys_than_one_question_holds(tmp_path: Path) -> None:
    """Thousands of keys are looked up together."""
    seen = Seen(tmp_path)
    claims = [_hit(str(number)) for number in range(1_700)]
    _claim(seen, seen.number("s1"), *claims)

    verdicts = _claim(seen, seen.number("s2"), *claims, _hit("new"))
    assert set(verdicts) == set(range(1_700))
    seen.close()


def test_event_and_hit_of_the_same_name_are_two_keys(tmp_path: Path) -> None:
    """An event id never passes for a request id."""
    seen = Seen(tmp_path)

    assert _claim(seen, seen.number("s1"), _hit("a"), _event("a", 0)) == {}
    seen.close()
