"""What devices are called in each language."""

import pytest

from latchstring_gateway.devices.spoken import details_in, label_in, picture_of, this_device, this_device_first
from latchstring_gateway.pages.language import english
from latchstring_gateway.pages.languages import read_languages
from latchstring_gateway.recognition.describe import label_of
from latchstring_gateway.recognition.kinds import KINDS

DUTCH, ARABIC = read_languages(["nl", "ar"])


def test_a_kind_is_called_so_within_a_sentence_and_at_its_beginning() -> None:
    """One that is not known is a device."""
    assert [this_device(kind, DUTCH) for kind in ("tv", "fridge")] == ["deze tv", "dit apparaat"]
    assert [this_device_first(kind, english()) for kind in ("tv", "fridge")] == ["This TV", "This device"]
    assert [picture_of(kind) for kind in ("tv", "fridge")] == ["tv", "other"]


@pytest.mark.parametrize(
    ("label", "client", "os", "said"),
    [
        ("Firefox on Linux", "Firefox", "Linux", "<bdi>Firefox</bdi> على <bdi>Linux</bdi>"),
        ("Unknown device", "", "", "جهاز غير معروف"),
        ("", "", "", "جهاز بلا اسم"),
        ("LG TV", "", "webOS", "تلفاز <bdi>LG</bdi>"),
        ("Unknown TV", "Safari", "Tizen", "تلفاز"),
        ("Acme TV", "", "", "Acme TV"),
        ("Mia on Linux", "Firefox", "Linux", "Mia on Linux"),
        ("Living-room TV", "", "", "Living-room TV"),
    ],
)
def test_only_what_we_called_a_device_is_translated(label: str, client: str, os: str, said: str) -> None:
    """A name that its owner gave stays as it is."""
    assert label_in(label, client, os, ARABIC) == said


def test_whatever_recognition_calls_a_device_is_translated() -> None:
    """A kind that was added there is missed here."""
    labels = {label_of(kind, "", "", "") for kind in KINDS}

    assert [label for label in labels if label_in(label, "", "", ARABIC) == label] == []


def test_a_tv_of_which_only_the_brand_is_known_is_named_in_the_readers_language() -> None:
    """It was "Unknown TV, Safari on Tizen", in Arabic and Dutch as well."""
    assert label_in("Samsung TV", "Samsung Internet", "Tizen", DUTCH) == "<bdi>Samsung</bdi>-tv"
    assert label_in("Tesla Car", "", "", english()) == "<bdi>Tesla</bdi> car"
    software = "<bdi>Samsung Internet</bdi> op <bdi>Tizen</bdi>"
    assert details_in("Samsung TV", "Samsung Internet", "Tizen", "Samsung TV", DUTCH) == software
    assert details_in("Samsung TV", "Samsung Internet", "Tizen", "Den", DUTCH) == f"<bdi>Samsung</bdi>-tv, {software}"
    assert details_in("Unknown TV", "Samsung Internet", "Tizen", "Den", DUTCH) == software


def test_details_repeat_nothing_of_the_label() -> None:
    """Model and software, each in its own direction."""
    assert details_in("ThinkPad", "Firefox", "Linux", "Firefox on Linux", ARABIC) == "<bdi>ThinkPad</bdi>"
    assert details_in("", "Firefox", "Linux", "Study", DUTCH) == "<bdi>Firefox</bdi> op <bdi>Linux</bdi>"
    assert details_in("Pixel", "", "Android", "Pixel", DUTCH) == "<bdi>Android</bdi>"
    assert details_in("Pixel", "Chrome", "Android", "Phone", ARABIC) == (
        "<bdi>Pixel</bdi>، <bdi>Chrome</bdi> على <bdi>Android</bdi>"
    )
    assert details_in("", "", "", "TV", DUTCH) == ""
