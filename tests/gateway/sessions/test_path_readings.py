"""What an oddly spelled path may be read as, by the same table as the recipes."""

from urllib.parse import unquote, urlsplit

import pytest

from harness.spellings import spellings
from latchstring_gateway.sessions.path_readings import readings, resolved


def scope_path(target: bytes) -> str:
    """The path as an ASGI server puts it into the scope."""
    text = target.decode("latin-1")
    path = urlsplit(text).path if text.startswith("http") else text.partition("?")[0]
    return unquote(path)


@pytest.mark.parametrize(("kind", "plain"), [("fresh", "/account/payment"), ("recent", "/account/email")])
def test_every_spelling_of_a_path_is_read_as_the_plain_one(kind: str, plain: str) -> None:
    """But where a decoder has to be careless, or the path goes on."""
    careless = (b"%c0", b"%c1", b"%e0", b"%f0", b"\xc0", b"%u", b"pay%00ment", b"%00/payment", b"#")
    targets = [target for target in spellings(kind) if not any(sign in target for sign in careless)]

    unread = [target for target in targets if not any(one.startswith(plain) for one in readings(scope_path(target)))]

    assert len(targets) > 5
    assert unread == []


@pytest.mark.parametrize("target", spellings("closed"), ids=bytes.decode)
def test_another_name_is_never_read_as_the_protected_one(target: bytes) -> None:
    """A longer name, or a path that only has the same names in it, keeps its own rule."""
    told = readings(scope_path(target))

    assert not any(one in ("/account/payment", "/account/email") for one in told)


@pytest.mark.parametrize("target", spellings("open"), ids=bytes.decode)
def test_an_odd_spelling_below_a_public_folder_stays_there(target: bytes) -> None:
    """So that a page for everybody with a blank, a semicolon or dots in its name remains one."""
    assert resolved(scope_path(target)).startswith("/public/")


@pytest.mark.parametrize("target", spellings("member"), ids=repr)
def test_no_path_that_leaves_a_public_folder_is_taken_for_a_page_in_it(target: bytes) -> None:
    """Wherever it leads, it is not below /public/ as it came and as it may be read, both."""
    path = scope_path(target)
    careless = (b"%c0", b"#", b"%00")
    inside = (b"/public/.;/admin", b"/public%2fadmin")

    if target not in inside and not any(sign in target for sign in careless):
        assert not (path.startswith("/public/") and resolved(path).startswith("/public/"))


def test_an_ordinary_path_has_one_reading() -> None:
    """So the callables of an app are asked once for it."""
    assert readings("/films/42") == ("/films/42",)
    assert readings("/") == ("/",)
    assert readings("/films/") == ("/films/", "/films")
