"""Which rows partners may see: none of too few people, and none by which one of those could be told by subtraction."""

from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """A row of a table whose sum is told: how many people are surely in it, and the figure that is shown of it."""

    people: int
    figure: int


def shown(rows: Sequence[Row], *, below_people: int) -> list[int]:
    """The places of the rows that may be shown, in order; those of figure 0 are none and are left out.

    Withheld are all rows of fewer people, and then the smallest of the others, until what is withheld is at least two
    rows whose sum would allow each of them any figure from 1 to `below_people`. So sum minus rows tells of no withheld
    row whether it stands above or below the bound.
    """
    there = [place for place, row in enumerate(rows) if row.figure > 0]
    kept = [place for place in there if rows[place].people >= below_people]
    withheld = [place for place in there if rows[place].people < below_people]
    kept.sort(key=lambda place: (rows[place].figure, rows[place].people))
    while withheld and kept and not _hides(withheld, rows, below_people):
        withheld.append(kept.pop(0))
    return sorted(kept) if not withheld or _hides(withheld, rows, below_people) else []


def _hides(withheld: Sequence[int], rows: Sequence[Row], below_people: int) -> bool:
    """Whether each of these rows could be anything from 1 to the bound, if nothing but their sum is known."""
    others_at_least = len(withheld) - 1
    return others_at_least > 0 and sum(rows[place].figure for place in withheld) - others_at_least >= below_people
