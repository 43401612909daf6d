"""X-Latch-Require: what it may say, and that a slip of the pen lets nobody in."""

import pytest

from latchstring_gateway.sessions.requirement import BadRequirement, Requirement, required_by


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        (b"fresh", Requirement(fresh=True)),
        (b"background", Requirement(background=True)),
        (b"max-auth-age=300", Requirement(max_auth_age_seconds=300)),
        (b"fresh, max-auth-age=1", Requirement(fresh=True, max_auth_age_seconds=1)),
        (b" max-auth-age=31536000 ,\tbackground,fresh", Requirement(True, True, 31_536_000)),
    ],
)
def test_directives_are_read_in_any_order(said: bytes, asked: Requirement) -> None:
    """Commas between, blanks around."""
    assert required_by([(b"cookie", b"x"), (b"x-latch-require", said)]) == asked


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b" ",
        b",",
        b"fresh,",
        b"fresh;max-auth-age=1",
        b"fresh max-auth-age=1",
        b"Fresh",
        b"fresh=1",
        b"optional",
        b"fresh, optional",
        b"fresh, fresh",
        b"max-auth-age",
        b"max-auth-age=",
        b"max-auth-age=0",
        b"max-auth-age=-1",
        b"max-auth-age=+1",
        b"max-auth-age=1.5",
        b"max-auth-age=0300",
        b"max-auth-age=1e3",
        b"max-auth-age = 1",
        b'max-auth-age="300"',
        b"max-auth-age=\xd9\xa3",
        b"max-auth-age=31536001",
        b"max-auth-age=" + b"9" * 5_000,
        b"max-auth-age=300, max-auth-age=400",
        b"max_auth_age=300",
        b"$latch_require",
        b"{args[1]}",
    ],
)
def test_what_cannot_be_read_is_refused(said: bytes) -> None:
    """Empty, misspelled, doubled or out of range: never taken for "nothing is asked"."""
    with pytest.raises(BadRequirement):
        required_by([(b"x-latch-require", said)])


def test_a_header_that_came_twice_is_refused() -> None:
    """A proxy that adds instead of overwriting passes the client's along."""
    with pytest.raises(BadRequirement):
        required_by([(b"x-latch-require", b"background"), (b"x-latch-require", b"fresh")])


def test_the_header_only_adds_to_what_the_path_asks() -> None:
    """Nothing it can say takes anything back."""
    assert required_by([], fresh=True) == Requirement(fresh=True)
    assert required_by([(b"x-latch-require", b"max-auth-age=9")], fresh=True, background=True) == Requirement(
        True, True, 9
    )
