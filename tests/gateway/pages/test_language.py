"""One language: its texts, filled in safely."""

import gettext

from latchstring_gateway.pages.language import Language, english, gettext_noop, isolated
from latchstring_gateway.pages.languages import read_languages


def test_english_is_what_the_texts_are_written_in() -> None:
    """No catalogue is needed for it, and a singular is one."""
    said = english()

    assert said.gettext("Sign out %(device)s", device="this TV") == "Sign out this TV"
    assert [said.ngettext("%(num)s server", "%(num)s servers", num) for num in (0, 1, 2)] == [
        "0 servers",
        "1 server",
        "2 servers",
    ]


def test_values_are_escaped_and_texts_are_not() -> None:
    """A text may hold tags of ours; what is put into it is text unless it is markup already."""
    filled = english().gettext("Back to <bdi>%(site_name)s</bdi>", site_name="<b>100%</b>")

    assert filled == "Back to <bdi>&lt;b&gt;100%&lt;/b&gt;</bdi>"
    assert english().gettext("%(device)s", device=isolated("a<b")) == "<bdi>a&lt;b</bdi>"


def test_a_text_without_translation_stays_english() -> None:
    """As for an operator's own texts that are younger than a catalogue."""
    (dutch,) = read_languages(["nl"])

    assert dutch.gettext("Sign out") == "Afmelden"
    assert dutch.gettext("A text of which no catalogue knows.") == "A text of which no catalogue knows."


def test_the_direction_is_that_of_the_script() -> None:
    """Of any language that CLDR knows."""
    tongues = [Language(tag, locale.locale, gettext.NullTranslations()) for tag, locale in _locales().items()]

    assert [one.direction for one in tongues] == ["ltr", "ltr", "rtl"]


def test_a_marked_text_is_itself() -> None:
    """The mark is for the catalogues."""
    assert gettext_noop("Sign out") == "Sign out"


def _locales() -> dict[str, Language]:
    return {one.tag: one for one in read_languages(["en", "nl", "ar"])}
