"""The words on a device's card."""

from datetime import UTC
from pathlib import Path

from harness.devices_stand import DAY_MS, NOW_MS, row
from harness.people import place_file
from latchstring_gateway.devices.card import card, cards, name_problem
from latchstring_gateway.devices.place import Places
from latchstring_gateway.pages.language import english


def test_a_card_says_model_and_software_but_not_the_name_twice() -> None:
    """A device named by its software shows the model only; one without either shows nothing."""
    laptop = row("a", "Firefox on Linux", "computer", "ThinkPad", "Linux", "Firefox")
    named_by_software = card(laptop, english(), Places(), is_this=False, now_ms=NOW_MS, zone=UTC)
    plain = card(row("b", "TV", "tv"), english(), Places(), is_this=False, now_ms=NOW_MS, zone=UTC)

    assert named_by_software.details == "<bdi>ThinkPad</bdi>"
    assert plain.details == ""


def test_a_kind_without_a_picture_is_other() -> None:
    """A kind from a later version still has a picture and a noun."""
    made = card(row("a", "Fridge", "fridge"), english(), Places(), is_this=False, now_ms=NOW_MS, zone=UTC)

    assert (made.kind, made.this, made.this_first) == ("other", "this device", "This device")


def test_a_refused_copy_is_told_for_thirty_days() -> None:
    """Then it is old news."""
    times = [NOW_MS, NOW_MS - 30 * DAY_MS + 1, NOW_MS - 30 * DAY_MS, 0]
    made = [
        card(row("a", "TV", reuse_at_ms=at), english(), Places(), is_this=False, now_ms=NOW_MS, zone=UTC)
        for at in times
    ]

    assert [one.reuse is not None for one in made] == [True, True, False, False]


def test_this_device_stands_apart_and_the_others_by_last_use() -> None:
    """The list starts with the device in use; the rest is sorted by last use, the newest first."""
    rows = [
        row("old", "Old", last_seen_ms=NOW_MS - 9 * DAY_MS),
        row("me", "Me"),
        row("new", "New", last_seen_ms=NOW_MS),
    ]

    this, others = cards(rows, english(), Places(), device_in_use="me", now_ms=NOW_MS, zone=UTC)

    assert this is not None
    assert this.id == "me"
    assert [one.id for one in others] == ["new", "old"]


def test_what_is_wrong_with_a_name_is_said_in_words() -> None:
    """Empty, too long, and unprintable names each have their sentence."""
    problems = [name_problem(typed, english()) for typed in ("  ", "x" * 61, "a\nb")]

    assert problems == [
        "Please give it a name.",
        "Please use at most 60 characters; that was 61.",
        "Please leave out line breaks and invisible control characters.",
    ]


def test_the_card_says_where_a_device_was_in_the_readers_words(tmp_path: Path) -> None:
    """Country and provider of its network, as far as they are known; of the network itself no more than that."""
    countries = place_file(
        tmp_path / "c", {"203.0.113.0/24": {"country": {"iso_code": "NL"}}, "2001:db8::/48": {"country_code": "SE"}}
    )
    networks = place_file(
        tmp_path / "n",
        {
            "203.0.113.0/24": {"autonomous_system_organization": "Cable <b>"},
            "198.51.100.0/24": {"autonomous_system_organization": "Example Mobile"},
        },
    )

    told = [
        card(
            row("a", "TV", place=network),
            english(),
            Places(countries, networks),
            is_this=False,
            now_ms=NOW_MS,
            zone=UTC,
        )
        for network in ("203.0.113.0/24", "2001:db8::/48", "198.51.100.0/24", "192.0.2.0/24", "")
    ]

    assert [one.place for one in told] == [
        "<bdi>Netherlands</bdi>, by <bdi>Cable &lt;b&gt;</bdi>",
        "Sweden",
        "<bdi>Example Mobile</bdi>",
        "",
        "",
    ]
    assert [one.network for one in told[::3]] == ["203.0.113.0/24", "192.0.2.0/24"]
