"""The header names that decide, and those that are only looked up."""

import pytest

from latchstring_gateway.server.heads import NOTED, PLAIN, is_target, read_name


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


def test_spellings_are_learnt_up_to_a_bound() -> None:
    """A client that invents names cannot make the table grow without end; names too long are never learnt."""
    before = dict(PLAIN)
    try:
        for number in range(2_000):
            assert read_name(b"X-%d" % number) == (b"x-%d" % number, 0)
        assert read_name(b"X" * 65) == (b"x" * 65, 0)
        assert read_name(b"EXPECT") == (b"expect", NOTED[b"expect"])

        assert len(PLAIN) == 1_000
        assert max(map(len, PLAIN)) <= 64
    finally:
        PLAIN.clear()
        PLAIN.update(before)
