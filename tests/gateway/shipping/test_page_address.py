"""Addresses of pages: one readable spelling each, on the web and in packaged apps."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latchstring_gateway.shipping.event import RefusalError
from latchstring_gateway.shipping.page_address import PageAddress, page_address, readable


@pytest.mark.parametrize(
    ("said", "page"),
    [
        ("/caf\u00e9", "/caf\u00e9"),
        ("/caf%C3%A9", "/caf\u00e9"),
        ("/caf%c3%a9", "/caf\u00e9"),
        ("/cafe\u0301", "/caf\u00e9"),
        ("/%D9%85%D8%B1%D8%AD%D8%A8%D8%A7", "/\u0645\u0631\u062d\u0628\u0627"),
        ("/%D9%85%DB%8C%E2%80%8C%D8%AE%D9%88%D8%A7%D9%87%D9%85", "/\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("/a%20b", "/a b"),
        ("/%7Eada/a%2db", "/~ada/a-b"),
        ("/a%2fb%3Fc", "/a%2Fb%3Fc"),
        ("/%41", "/%41"),
        ("/100%", "/100%"),
        ("/%zz", "/%zz"),
        ("/caf%E9", "/caf%E9"),
        ("/%00%0a", "/%00%0A"),
        ("/%E2%80%AEx", "/%E2%80%AEx"),
        ("/\u202ex", "/%E2%80%AEx"),
        ("/%F0%9F%98%80", "/\U0001f600"),
    ],
)
def test_one_page_has_one_readable_spelling(said: str, page: str) -> None:
    """Several rows of one page; sites in Arabic read percent signs."""
    found = page_address(said)

    assert found == PageAddress(None, page, None if said == page else said)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("https://Watch.Example:8443/a?b#c", ("watch.example:8443", "/a", None, None)),
        (
            "file:///usr/palm/applications/com.acme.tv/index.html#/home",
            (None, "/usr/palm/applications/com.acme.tv/index.html", "file", "com.acme.tv"),
        ),
        (
            "file:///media/developer/apps/usr/palm/applications/com.acme.tv/index.html",
            (None, "/media/developer/apps/usr/palm/applications/com.acme.tv/index.html", "file", "com.acme.tv"),
        ),
        (
            "file:///opt/usr/home/owner/apps_rw/AbCd123456/res/wgt/index.html",
            (None, "/opt/usr/home/owner/apps_rw/AbCd123456/res/wgt/index.html", "file", "AbCd123456"),
        ),
        ("file:///android_asset/www/index.html", (None, "/android_asset/www/index.html", "file", None)),
        ("capacitor://localhost/home", ("localhost", "/home", "capacitor", None)),
        ("ionic://localhost", ("localhost", "/", "ionic", None)),
        ("app://com.acme.tv/index.html", ("com.acme.tv", "/index.html", "app", "com.acme.tv")),
        ("tizen://com.acme.tv/index.html", ("com.acme.tv", "/index.html", "tizen", "com.acme.tv")),
        ("widget://com.acme.tv/index.html", ("com.acme.tv", "/index.html", "widget", "com.acme.tv")),
        ("ms-appx-web://acme.tv/a", ("acme.tv", "/a", "ms-appx-web", "acme.tv")),
        ("null/usr/palm/applications/x/index.html", (None, "/usr/palm/applications/x/index.html", None, None)),
        (" /a\n", (None, "/a", None, None)),
    ],
)
def test_page_of_a_packaged_app_keeps_scheme_and_path(said: str, expected: tuple[str | None, ...]) -> None:
    """They were `bad_page`: TVs and phones lost every view. The app is told by its folder or host."""
    found = page_address(said)

    assert (found.host, found.page, found.scheme, found.app) == expected


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("watch", "bad_page"),
        ("https:///x", "bad_page"),
        ("https://user@evil.example/", "bad_page"),
        ("javascript://x/%0aalert(1)", "bad_page"),
        ("data://x/y", "bad_page"),
        ("javascript:alert(1)", "bad_page"),
        ("/a\x00b", "control_characters"),
        ("/" + "x" * 1_024, "page_too_long"),
        ("/" + "%C3%A9" * 1_024, "page_too_long"),
        ("/" + "%41" * 100_000, "page_too_long"),
    ],
)
def test_what_is_no_page(said: str, reason: str) -> None:
    """Each says why."""
    with pytest.raises(RefusalError, match=f"^{reason}$"):
        page_address(said)


def test_length_is_that_of_the_readable_page() -> None:
    """A page of 200 Arabic letters is 1,200 characters when it is escaped, and was too long."""
    assert page_address("/" + quote("\u0645" * 1_000)).page == "/" + "\u0645" * 1_000


@given(st.text(max_size=40), st.lists(st.integers(0, 255), max_size=20))
def test_the_readable_spelling_is_its_own(text: str, escapes: list[int]) -> None:
    """What is readable stays as it is, and is printable whatever came."""
    path = "/" + text.replace("\ud800", "") + "".join(f"%{byte:02x}" for byte in escapes) + text

    page = readable(path)

    assert readable(page) == page
    assert page.replace("\u200c", "").replace("\u200d", "").isprintable()


@given(st.text(st.characters(exclude_categories=["C", "Z", "M"]), max_size=20))
def test_escaped_and_plain_are_one_page(text: str) -> None:
    """Whoever escapes more than another means the same page."""
    assert readable("/" + quote(text, safe="%")) == readable("/" + quote(quote(text, safe="%"), safe="%"))
