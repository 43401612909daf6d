"""The page frame: headers, escaping, languages, and templates that miss nothing."""

import jinja2
import pytest
from starlette.requests import Request
from starlette.responses import Response

from harness.pages import pages
from latchstring_gateway.errors import NotFound, StoreAway
from latchstring_gateway.pages.render import Reader, environment


def _reader(site_name: str = "Lantern", languages: str = "en", asked: str = "", cookie: str = "") -> Reader:
    headers = [(b"accept-language", asked.encode()), (b"cookie", b"lang=nl")]
    request = Request({"type": "http", "headers": headers})
    return pages(site_name, languages, cookie=cookie).reader(request)


def _signed_out(reader: Reader) -> Response:
    return reader.page("signed_out.html", sign_in_url="/sign-in")


def test_a_page_may_load_nothing_from_elsewhere_and_is_never_stored() -> None:
    """Every page carries the strict policy, without 'unsafe-inline', and private, no-store."""
    answer = _signed_out(_reader())

    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_the_policy_has_nothing_to_forbid_in_our_templates() -> None:
    """No template holds a style attribute, an event handler or a script element."""
    templates = environment()
    sources = [
        templates.loader.get_source(templates, name)[0] for name in templates.list_templates() if templates.loader
    ]

    assert sources
    assert not [source for source in sources if " style=" in source or "<script" in source or " on" + "click" in source]


def test_a_site_name_is_text_not_markup() -> None:
    """What the operator or an owner typed is escaped wherever it appears, in every language."""
    for language in ("en", "nl", "ar"):
        answer = _reader("<b>Lantern</b>", language).page("signed_out.html", sign_in_url='/"><script>')

        assert b"<b>Lantern" not in answer.body
        assert b"<script>" not in bytes(answer.body)


def test_a_forgotten_name_is_an_error() -> None:
    """A template never shows a blank where something is missing."""
    with pytest.raises(jinja2.UndefinedError):
        _reader().page("signed_out.html")


@pytest.mark.parametrize(
    ("asked", "tag", "direction", "heading"),
    [
        ("", "en", "ltr", "You are signed out"),
        ("nl-BE,nl;q=0.9", "nl", "ltr", "Je bent afgemeld"),
        ("ar-EG", "ar", "rtl", "تم تسجيل خروجك"),
    ],
)
def test_a_page_is_in_the_language_that_was_asked_for(asked: str, tag: str, direction: str, heading: str) -> None:
    """It says so to screen readers and to caches, and turns round for those who write from right to left."""
    answer = _signed_out(_reader(languages="en,nl,ar", asked=asked))

    assert (answer.headers["content-language"], answer.headers["vary"]) == (tag, "Accept-Language")
    assert f'<html lang="{tag}" dir="{direction}">' in bytes(answer.body).decode()
    assert f"<h1>{heading}</h1>" in bytes(answer.body).decode()


def test_a_page_in_one_language_varies_with_nothing() -> None:
    """And one that follows the website's cookie varies with cookies too."""
    assert "vary" not in _signed_out(_reader(asked="nl")).headers
    assert _signed_out(_reader(languages="en,nl", cookie="lang")).headers["vary"] == "Accept-Language, Cookie"


def test_an_error_page_says_what_to_do_and_when_to_come_back() -> None:
    """Status, Retry-After and code are the error's; the words are for people."""
    answer = _reader().error_page(StoreAway(), what_to_do="Please try again in a few seconds.")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert b"We cannot do this right now" in answer.body
    assert b"Please try again in a few seconds." in answer.body
    assert b"store_away" in answer.body


def test_an_error_page_without_its_own_words_has_a_remedy_for_people() -> None:
    """The detail of an error is for programs, and there in English alone."""
    answer = _reader(languages="nl").error_page(NotFound("no_such_page", "there is no page at this address"))
    html = bytes(answer.body).decode()

    assert answer.status_code == 404
    assert "Misschien was het hier eerder wel. Ga terug." in html
    assert "there is no page" not in html
    assert "Terug naar <bdi>Lantern</bdi>" in html


def test_operators_read_english() -> None:
    """Whatever the languages of the pages for people."""
    answer = _signed_out(pages(languages="ar").english_reader())

    assert answer.headers["content-language"] == "en"
    assert b'<html lang="en" dir="ltr">' in answer.body
