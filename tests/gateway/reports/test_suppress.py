"""What partners see: no row of too few people, and no way to get one back from the sum."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from latchstring_gateway.reports.suppress import Row, shown

_BOUND = 3
_ROWS = st.lists(
    st.integers(0, 6).flatmap(lambda figure: st.builds(Row, people=st.integers(0, figure), figure=st.just(figure))),
    max_size=5,
)


def _possible(left: int, rows: int) -> Iterator[tuple[int, ...]]:
    """Everything that so many withheld figures may be, for whoever knows their sum and that each is at least 1."""
    if rows == 1:
        yield (left,)
    for figure in range(1, left if rows > 1 else 0):
        yield from ((figure, *others) for others in _possible(left - figure, rows - 1))


@settings(max_examples=300)
@given(_ROWS)
def test_withheld_rows_cannot_be_recomputed_from_the_shown_totals(rows: list[Row]) -> None:
    """Of each withheld row the sum leaves open every figure from 1 to the bound: too few people, or enough."""
    places = shown(rows, below_people=_BOUND)

    withheld = [row for place, row in enumerate(rows) if place not in places and row.figure > 0]
    left = sum(row.figure for row in rows) - sum(rows[place].figure for place in places)
    assert left == sum(row.figure for row in withheld)
    if places and withheld:
        for figures in zip(*_possible(left, len(withheld)), strict=True):
            assert set(figures) >= set(range(1, _BOUND + 1))


@given(_ROWS)
def test_no_row_of_too_few_people_is_shown_and_none_is_withheld_for_nothing(rows: list[Row]) -> None:
    """If every row has enough people, all of them are shown."""
    places = shown(rows, below_people=_BOUND)

    assert all(rows[place].people >= _BOUND for place in places)
    if all(row.people >= _BOUND for row in rows):
        assert places == list(range(len(rows)))


def test_one_small_row_takes_the_smallest_other_with_it() -> None:
    """Alone it would be the sum minus the others."""
    rows = [Row(40, 90), Row(12, 15), Row(30, 60), Row(2, 4)]

    assert shown(rows, below_people=10) == [0, 2]


def test_small_rows_that_hide_each_other_take_nothing_with_them() -> None:
    """Two are enough if their sum leaves each of them open."""
    assert shown([Row(40, 90), Row(4, 9), Row(3, 9)], below_people=10) == [0]


def test_rows_that_cannot_be_hidden_hide_the_table() -> None:
    """A small row and nothing big enough beside it: nothing is shown."""
    assert shown([Row(3, 3), Row(2, 2)], below_people=10) == []
