"""The page frame: headers, escaping, and templates that miss nothing."""

import jinja2
import pytest

from latchstring_gateway.errors import NotFound, StoreAway
from latchstring_gateway.pages.render import environment, error_page, page


def test_a_page_may_load_nothing_from_elsewhere_and_is_never_stored() -> None:
    """Every page carries the strict policy, without 'unsafe-inline', and private, no-store."""
    answer = page("signed_out.html", site_name="Lantern", sign_in_url="/sign-in")

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
    """What the operator or an owner typed is escaped wherever it appears."""
    answer = page("signed_out.html", site_name="<b>Lantern</b>", sign_in_url='/"><script>')

    assert b"<b>Lantern" not in answer.body
    assert b"<script>" not in bytes(answer.body)


def test_a_forgotten_name_is_an_error() -> None:
    """A template never shows a blank where something is missing."""
    with pytest.raises(jinja2.UndefinedError):
        page("signed_out.html", site_name="Lantern")


def test_an_error_page_says_what_to_do_and_when_to_come_back() -> None:
    """Status, Retry-After and code are the error's; the words are for people."""
    answer = error_page(StoreAway(), site_name="Lantern", what_to_do="Please try again in a few seconds.")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert b"We cannot do this right now" in answer.body
    assert b"Please try again in a few seconds." in answer.body
    assert b"store_away" in answer.body


def test_an_error_page_without_its_own_words_uses_the_detail() -> None:
    """The detail of an error holds no secret, so it may stand on a page."""
    answer = error_page(NotFound("no_such_page", "there is no page at this address"), site_name="Lantern")

    assert answer.status_code == 404
    assert b"there is no page at this address" in answer.body
