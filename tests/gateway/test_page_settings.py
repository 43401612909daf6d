"""The settings of our pages: mistakes are told at the start, with all others."""

from pathlib import Path

import pytest
from starlette.requests import Request

from latchstring_gateway.settings import SettingsError, read


def test_mistakes_in_languages_and_texts_are_told_with_all_others(tmp_path: Path) -> None:
    """A language without texts, a catalogue that would break a page, a cookie that is none."""
    (tmp_path / "nl.po").write_text('msgid "Sign out %(device)s"\nmsgstr "Afmelden"\n')

    with pytest.raises(SettingsError) as wrong:
        read(languages="en,de,nl", texts_dir=tmp_path, language_cookie="a b", workers=0)

    assert sorted(problem.partition(":")[0] for problem in wrong.value.problems) == [
        "LATCHSTRING_LANGUAGES",
        "LATCHSTRING_LANGUAGE_COOKIE",
        "LATCHSTRING_WORKERS",
    ]
    (about_languages,) = [problem for problem in wrong.value.problems if "LANGUAGES" in problem]
    assert "de: we have no texts" in about_languages
    assert "nl: “Sign out %(device)s”: expected the placeholders device" in about_languages


@pytest.mark.parametrize("folder", ["nowhere", "file"])
def test_a_folder_of_texts_has_to_be_there(tmp_path: Path, folder: str) -> None:
    """Else its texts would be missing without a word."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match="LATCHSTRING_TEXTS_DIR: expected a folder"):
        read(texts_dir=tmp_path / folder)


def test_pages_are_made_as_the_settings_say() -> None:
    """Name and languages of the website."""
    pages = read(site_name="Cinema Nova", languages="ar, nl").pages()
    readers = [
        pages.reader(Request({"type": "http", "headers": [(b"accept-language", asked)]})) for asked in (b"nl", b"fr")
    ]

    assert [(reader.site_name, reader.language.tag) for reader in readers] == [
        ("Cinema Nova", "nl"),
        ("Cinema Nova", "ar"),
    ]
