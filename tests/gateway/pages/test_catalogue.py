"""Catalogues: what is wrong in one is found when it is read, not on a page."""

import pytest
from babel import Locale

from latchstring_gateway.pages.catalogue import CatalogueError, read_catalogue, translations

_HEAD = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

"""
_DUTCH = Locale.parse("nl")


def _read(*lines: str) -> None:
    read_catalogue((_HEAD + "\n".join(lines) + "\n").encode(), _DUTCH)


@pytest.mark.parametrize(
    ("original", "translation", "problem"),
    [
        ("Sign out %(device)s", "Afmelden", "placeholders device"),
        ("Sign out", "Afmelden %(device)s", "placeholders (none)"),
        ("Sign out %(device)s", "Afmelden %(apparaat)s", "placeholders device"),
        ("Sign out %(device)s", "Afmelden %(device)d", "placeholders device"),
        ("Sign out %(device)s", "Afmelden %(device)s %s", "no other %"),
        ("All of it", "100%", "no other %"),
        ("To <bdi>%(x)s</bdi>", "Naar %(x)s", "tags of the original"),
        ("To <bdi>%(x)s</bdi>", "Naar <b>%(x)s</b>", "tags of the original"),
        ("To <bdi>%(x)s</bdi>", "Naar <bdi>%(x)s", "tags of the original"),
        ("Sign out", "<script>x</script>", "tags of the original"),
        ("Sign out", "Af<melden", "in the text itself"),
        ("Sign out", 'Af\\"melden', "in the text itself"),
        ("Sign out", "Af & toe", "& only as"),
    ],
)
def test_a_translation_that_would_break_a_page_is_refused(original: str, translation: str, problem: str) -> None:
    """Told with the original, so that the line can be found."""
    with pytest.raises(CatalogueError) as wrong:
        _read(f'msgid "{original}"', f'msgstr "{translation}"')

    assert problem in wrong.value.problems[0]
    assert original in wrong.value.problems[0]


def test_a_fuzzy_translation_is_refused() -> None:
    """A guess of a tool is no text for people."""
    with pytest.raises(CatalogueError, match="fuzzy"):
        _read("#, fuzzy", 'msgid "Sign out"', 'msgstr "Aanmelden"')


@pytest.mark.parametrize("forms", [("een",), ("een", ""), ("een %(num)s", "twee %(x)s"), ("een", "twee")])
def test_a_plural_needs_each_of_its_forms(forms: tuple[str, ...]) -> None:
    """The number may be left out where a word says it, but other placeholders may not."""
    lines = [
        f'msgstr[{number}] "{form} %(what)s"' if form else f'msgstr[{number}] ""' for number, form in enumerate(forms)
    ]
    texts = ('msgid "%(num)s %(what)s"', 'msgid_plural "%(num)s %(what)ss"')
    if forms == ("een", "twee"):
        _read(*texts, *lines)
        return

    with pytest.raises(CatalogueError):
        _read(*texts, *lines)


@pytest.mark.parametrize("content", [b"nonsense", b'msgid "a', b'msgid "a"\nmsgstr "\xff"\n', b"\x00" * 100])
def test_a_file_that_is_no_catalogue_is_refused(content: bytes) -> None:
    """Whatever it holds instead."""
    with pytest.raises(CatalogueError):
        read_catalogue(content, _DUTCH)


def test_what_is_not_translated_is_looked_up_elsewhere() -> None:
    """An empty translation is none."""
    half = read_catalogue((_HEAD + 'msgid "a"\nmsgstr ""\n\nmsgid "b"\nmsgstr "c"\n').encode(), _DUTCH)

    assert [translations(half).gettext(text) for text in ("a", "b")] == ["a", "c"]
