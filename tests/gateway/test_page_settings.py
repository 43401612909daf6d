"""The settings of our pages: mistakes are told at the start, with all others."""

from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from latchstring_gateway.pages.static import static_routes
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


_LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9"/></svg>'


def test_mistakes_in_the_look_are_told_together(tmp_path: Path) -> None:
    """Logo, colours and templates, each by its name, and with nothing else started."""
    (tmp_path / "logo.svg").write_text(_LOGO.replace("<path", "<script/><path"))
    (tmp_path / "error.html").write_text("{% if %}")

    with pytest.raises(SettingsError) as wrong:
        read(
            logo_file=tmp_path / "logo.svg",
            logo_dark_file=tmp_path / "nowhere.png",
            colours="accent=#ffcc00",
            templates_dir=tmp_path,
            languages="en,xx",
        )

    told = {problem.partition(":")[0]: problem for problem in wrong.value.problems}
    assert set(told) == {
        f"LATCHSTRING_{name}" for name in ("LOGO_FILE", "LOGO_DARK_FILE", "COLOURS", "TEMPLATES_DIR", "LANGUAGES")
    }
    assert "<script>" in told["LATCHSTRING_LOGO_FILE"]
    assert "contrast of 1.37" in told["LATCHSTRING_COLOURS"]
    assert "error.html, line 1" in told["LATCHSTRING_TEMPLATES_DIR"]
    assert "logo.svg: expected the name of a template" in told["LATCHSTRING_TEMPLATES_DIR"]


async def test_logo_and_colours_are_on_every_page_and_served_for_a_year(tmp_path: Path) -> None:
    """Under addresses with their hash; a logo that is opened by itself may do nothing."""
    (tmp_path / "logo.svg").write_text(_LOGO)
    pages = read(site_name="Cinema Nova", logo_file=tmp_path / "logo.svg", colours="accent=#7a1fa2").pages()
    reader = pages.reader(Request({"type": "http", "headers": []}))
    html = bytes(reader.page("signed_out.html", sign_in_url="/sign-in").body).decode()
    app = Starlette(routes=static_routes(further=pages.look.files))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
        logo, sheet = await client.get(pages.look.logo_url), await client.get(pages.look.colours_url)

    assert f'src="{pages.look.logo_url}" alt="Cinema Nova"' in html
    assert html.index("/style.") < html.index(pages.look.colours_url)
    assert (logo.text, logo.headers["content-type"]) == (_LOGO, "image/svg+xml")
    assert "sandbox" in logo.headers["content-security-policy"]
    assert "--accent:#7a1fa2" in sheet.text
    assert {one.headers["cache-control"] for one in (logo, sheet)} == {"public, max-age=31536000, immutable"}


def test_without_a_look_of_their_own_pages_load_nothing_more() -> None:
    """No logo, no further style sheet."""
    assert read().pages().look.files == []
