"""Errors in words for people."""

import pytest

from latchstring_gateway.errors import BadRequest, EdgeError, Gone, NotAllowed, StoreAway, TooFewReplicas, TooMany
from latchstring_gateway.pages.error_words import remedy_of, title_of
from latchstring_gateway.pages.language import english
from latchstring_gateway.pages.languages import read_languages

(DUTCH,) = read_languages(["nl"])


@pytest.mark.parametrize(
    ("error", "title", "remedy"),
    [
        (BadRequest("bad_form", "for programs"), "That did not come through", "Please go back and try again."),
        (Gone("link_expired", "for programs"), "This link has had its time", "Links in mails work for a while"),
        (TooMany("too_many_hits", "for programs"), "That was a little too often", "Please wait a little"),
        (StoreAway(), "We cannot do this right now", "Nothing is lost."),
        (TooFewReplicas(0, 1), "We cannot do this right now", "It is written down, but not yet"),
        (NotAllowed("cross_site", "for programs"), "That is not possible from here", "Please go back"),
    ],
)
def test_an_error_says_what_happened_and_what_to_do(error: EdgeError, title: str, remedy: str) -> None:
    """By its code where more is known than its status; what programs are told is never shown."""
    assert title_of(error, english()) == title
    assert remedy_of(error, english()).startswith(remedy)
    assert title_of(error, DUTCH) != title
    assert "for programs" not in remedy_of(error, DUTCH)
