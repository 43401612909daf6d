"""Counting by source and hour, and telling copies by their numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.shipping.commits import Count, Run
from latchstring_gateway.shipping.tally import Numbers, Tally, hour_of, rate_at_end


@pytest.mark.parametrize(
    ("at_ms", "hour"),
    [
        (1_800_000_000_000, "2027-01-15T08"),
        (1_800_003_599_999, "2027-01-15T08"),
        (1_800_003_600_000, "2027-01-15T09"),
        (0, "1970-01-01T00"),
        (-1, "1970-01-01T00"),
        (2**63 - 1, "9955-07-25T16"),
    ],
)
def test_hour_of_any_instant(at_ms: int, hour: str) -> None:
    """Hours are UTC; an impossible time has one too, so that its hit is counted somewhere."""
    assert hour_of(at_ms) == hour


def test_tally_keeps_sources_and_hours_apart() -> None:
    """Counts come out in order."""
    tally = Tally()
    tally.of("pixel", "2027-01-15T09").good += 1
    tally.of("pixel", "2027-01-15T08").good += 2
    tally.of("batch", "2027-01-15T09").bad += 1
    tally.of("pixel", "2027-01-15T09").good += 1

    assert tally.counts() == [
        Count("pixel", "2027-01-15T08", good=2),
        Count("batch", "2027-01-15T09", bad=1),
        Count("pixel", "2027-01-15T09", good=2),
    ]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12)), max_size=40),
    st.sets(st.integers(0, 12)),
    st.integers(1, 9),
)
def test_record_is_a_copy_if_and_only_if_it_was_there_before(
    records: list[tuple[str, int]], elsewhere: set[int], chunk: int
) -> None:
    """In whatever order numbers come, each is new once; runs say exactly which were new."""
    asked: list[Run] = []

    def others(span: Run) -> list[Run]:
        asked.append(span)
        return [Run("a", n, n) for n in elsewhere if span.first <= n <= span.last] if span.journal == "a" else []

    numbers = Numbers(others)
    seen = {("a", number) for number in elsewhere}
    new = set()
    for start in range(0, len(records), chunk):
        copies = numbers.copies(records[start : start + chunk])
        for at, record in enumerate(records[start : start + chunk]):
            assert (at in copies) == (record in seen)
            if record not in seen:
                new.add(record)
            seen.add(record)

    runs = numbers.runs()
    assert {(run.journal, n) for run in runs for n in range(run.first, run.last + 1)} == new
    assert sum(run.last - run.first + 1 for run in runs) == len(new)
    assert len(asked) <= 3 * -(-len(records) // chunk)


@pytest.mark.parametrize(
    ("times_ms", "rate"),
    [
        ([], 0),
        ([7], 10),
        ([100, 5_000, 5_500, 6_000], 4),
        ([5_500, 6_000], 4),
        ([5_000, 6_000, 4_000], 10),
        ([9_000, 3_750, 4_000], 8),
    ],
)
def test_rate_at_the_end_is_of_the_last_second_whatever_the_clock_does(times_ms: list[int], rate: int) -> None:
    """What is a second older does not count, nor what came before the clock went back."""
    assert rate_at_end(times_ms) == rate
