"""The header names that decide, and those that are only looked up."""

import pytest

from latchstring_gateway.server.heads import NOTED, PLAIN, is_target


def test_no_name_that_decides_is_taken_for_a_plain_one() -> None:
    """A plain spelling skips the look at what the header means."""
    assert not {name.lower() for name in PLAIN} & set(NOTED)
    assert all(spelling.lower() == name for spelling, name in PLAIN.items())


@pytest.mark.parametrize(
    ("target", "taken"),
    [
        (b"/a?b", True),
        (b"*", True),
        (b"http://host/a", True),
        (b"http://host", False),
        (b"host:443", False),
        (b"", False),
        (b"/\xff", False),
    ],
)
def test_targets_of_which_no_scope_can_be_made_are_refused(target: bytes, *, taken: bool) -> None:
    """Uvicorn would fail on them with a stack trace."""
    assert is_target(target) is taken
