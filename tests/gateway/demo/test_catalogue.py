"""The demo's films and members."""

import pytest

from latchstring_gateway.demo.catalogue import MEMBERS, TITLES, find, password_is_right


def test_every_title_is_found_by_its_address() -> None:
    """Addresses are distinct."""
    assert [find(title.slug) for title in TITLES] == list(TITLES)


@pytest.mark.parametrize(
    ("email", "password", "right"),
    [
        (MEMBERS[0].email, MEMBERS[0].password, True),
        (MEMBERS[0].email, MEMBERS[1].password, False),
        (MEMBERS[0].email, "", False),
        ("nobody@example.com", "", False),
        ("", "", False),
    ],
)
def test_only_a_member_with_the_right_password_gets_in(email: str, password: str, right: bool) -> None:
    """A stranger with an empty password is still a stranger."""
    assert password_is_right(email, password) is right
