"""What Lantern, the demo's website, has to show, and who may watch it. All of it is made up."""

from dataclasses import dataclass
from secrets import compare_digest
from typing import Final


@dataclass(frozen=True, slots=True)
class Title:
    """One film; `scene` chooses its picture."""

    slug: str
    name: str
    year: int
    minutes: int
    blurb: str
    scene: str


TITLES: Final = (
    Title(
        "salt-and-static", "Salt and Static", 2024, 112, "A radio operator on a lightship hears her own voice.", "sea"
    ),
    Title("nine-quiet-planets", "Nine Quiet Planets", 2025, 98, "A survey ship finds music where nobody is.", "space"),
    Title("night-bus-to-utrecht", "Night Bus to Utrecht", 2023, 84, "Eleven strangers, one wrong suitcase.", "city"),
    Title("a-recipe-for-rain", "A Recipe for Rain", 2022, 101, "Two sisters inherit a farm and a feud.", "field"),
    Title("the-cartographer", "The Cartographer", 2026, 127, "He draws places. They appear.", "peaks"),
    Title("slow-fire", "Slow Fire", 2021, 93, "A baker's last winter in a mountain town.", "dune"),
)
_BY_SLUG: Final = {title.slug: title for title in TITLES}


def find(slug: str) -> Title | None:
    """The title at that address."""
    return _BY_SLUG.get(slug)


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may sign in; the sign-in page prints both, since this is a demo on one's own machine."""

    email: str
    password: str


MEMBERS: Final = (Member("mia@example.com", "lift the latch"), Member("noor@example.com", "draw the string"))


def password_is_right(email: str, password: str) -> bool:
    """Whether a member has this password; takes as long for a stranger as for a member."""
    known = {member.email: member.password for member in MEMBERS}
    expected = known.get(email, "")
    return compare_digest(expected.encode(), password.encode()) and email in known
