"""Which language a request is answered in, and which can be offered."""

from pathlib import Path

import pytest
from starlette.requests import Request

from latchstring_gateway.pages.catalogue import CatalogueError
from latchstring_gateway.pages.language import Language, english
from latchstring_gateway.pages.languages import Languages, read_languages


def _offered(*tags: str) -> list[Language]:
    return [Language(tag, english().locale, english().texts) for tag in tags]


def _asking(*asked: bytes, cookie: bytes = b"") -> Request:
    headers = [(b"accept-language", one) for one in asked]
    return Request({"type": "http", "headers": [*headers, (b"cookie", cookie)]})


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (b"", "en"),
        (b"nl", "nl"),
        (b"NL-be", "nl"),
        (b"de, nl;q=0.8, en;q=0.9", "en"),
        (b"en;q=0.1,ar;q=0.2", "ar"),
        (b"nl;q=0, ar;q=0.1", "ar"),
        (b"fr-CH, fr;q=0.9, *;q=0.5", "en"),
        (b"pt", "pt-BR"),
        (b"pt-PT", "pt-BR"),
        (b"pt-br", "pt-BR"),
        (b"pt-BR-x-mine", "pt-BR"),
        (b"zh-Hant-TW", "zh-Hant"),
        (b"nl ; q = 0.5 , ar ;q=0.4", "nl"),
    ],
)
def test_the_dearest_language_that_is_offered_is_given(asked: bytes, given: str) -> None:
    """By weight, then by order; a region is left off until something fits, and any region is better than none."""
    languages = Languages(_offered("en", "nl", "ar", "pt-BR", "zh-Hant"))

    assert languages.of(_asking(asked)).tag == given


@pytest.mark.parametrize(
    "asked",
    [
        b"nl;q=2",
        b"nl;q=0.1234",
        b"nl;q=nan",
        b"nl;q=-1",
        b"nl;level=1",
        b"nl_BE",
        b"n" * 9,
        b"\xff\xfe",
        b"\x00nl",
        b",,,,",
        b"<script>",
        b"../../nl",
        b",".join([b"xx"] * 16 + [b"nl"]),
        b" " * 600 + b"nl",
        b"q=1;" * 50_000,
    ],
)
def test_a_header_that_is_none_is_no_wish(asked: bytes) -> None:
    """Neither an error nor much work, whatever its length: the first language."""
    assert Languages(_offered("en", "nl")).of(_asking(asked)).tag == "en"


def test_only_the_beginning_of_a_header_is_read() -> None:
    """However long it is."""
    assert Languages(_offered("en", "nl")).of(_asking(b"nl" + b"-a" * 100_000)).tag == "nl"
    assert Languages(_offered("en", "nl")).of(_asking(b"fr," * 170 + b"nl")).tag == "en"


def test_several_headers_are_one_list() -> None:
    """RFC 9110 section 5.3."""
    assert Languages(_offered("en", "nl")).of(_asking(b"fr", b"nl;q=0.1")).tag == "nl"


@pytest.mark.parametrize(
    ("cookie", "given"),
    [
        (b"lang=ar", "ar"),
        (b"lang=nl-BE", "nl"),
        (b"lang=nl_BE", "nl"),
        (b"lang=fr", "nl"),
        (b"x=ar", "nl"),
        (b"", "nl"),
    ],
)
def test_the_websites_own_cookie_comes_first(cookie: bytes, given: str) -> None:
    """There somebody chose; if it names nothing that is offered, the browser is asked."""
    languages = Languages(_offered("en", "nl", "ar"), cookie="lang")

    assert languages.of(_asking(b"nl", cookie=cookie)).tag == given


def test_a_cookie_that_nobody_named_says_nothing() -> None:
    """The operator decides whether one is read."""
    assert Languages(_offered("en", "nl", "ar")).of(_asking(b"nl", cookie=b"lang=ar; =ar")).tag == "nl"


def _catalogue(folder: Path, tag: str, *pairs: tuple[str, str]) -> Path:
    texts = "".join(f'msgid "{one}"\nmsgstr "{other}"\n\n' for one, other in pairs)
    (folder / f"{tag}.po").write_text(f'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n{texts}')
    return folder


def test_an_operators_texts_come_before_ours(tmp_path: Path) -> None:
    """Only those he wrote; the others are ours, and English ones can be changed too."""
    own = _catalogue(tmp_path, "nl", ("Sign out", "Uitloggen"))
    _catalogue(tmp_path, "en", ("Sign out", "Log out"))

    english_of_his, dutch = read_languages(["en", "nl"], own)

    assert [english_of_his.gettext(text) for text in ("Sign out", "Your devices")] == ["Log out", "Your devices"]
    assert [dutch.gettext(text) for text in ("Sign out", "Your devices")] == ["Uitloggen", "Je apparaten"]


def test_an_operator_may_bring_a_language(tmp_path: Path) -> None:
    """Its dates and its direction are known; what is not translated is English."""
    (hebrew,) = read_languages(["he"], _catalogue(tmp_path, "he", ("Sign out", "יציאה")))

    assert (hebrew.direction, hebrew.gettext("Sign out"), hebrew.gettext("yes")) == ("rtl", "יציאה", "yes")


def test_every_language_that_cannot_be_offered_is_told(tmp_path: Path) -> None:
    """What is unknown, what we have no texts for, what stands there twice, and what is wrong in a file."""
    own = _catalogue(tmp_path, "sv", ("Sign out %(device)s", "Logga ut"))

    with pytest.raises(CatalogueError) as wrong:
        read_languages(["en", "en", "klingon", "../nl", "de", "sv"], own)

    assert wrong.value.problems == [
        "en stands there twice",
        "klingon: expected a language that CLDR knows, such as nl or pt-BR",
        "../nl: expected a language that CLDR knows, such as nl or pt-BR",
        "de: we have no texts in this language, and the folder of your own has no de.po",
        "sv: “Sign out %(device)s”: expected the placeholders device and no other %",
    ]


def test_no_language_at_all_is_a_mistake() -> None:
    """A page has to be in some language."""
    with pytest.raises(CatalogueError, match="at least one"):
        read_languages([])
