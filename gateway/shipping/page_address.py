"""The address of a page: which page it is, in one readable spelling, in a browser or in a packaged app.

/café, /caf%C3%A9, /caf%c3%a9                     page /café
https://www.example.com/a?b#c                     host www.example.com, page /a
file:///usr/palm/applications/com.acme.tv/a.html  scheme file, page /usr/palm/applications/com.acme.tv/a.html,
                                                  app com.acme.tv
capacitor://localhost/home                        scheme capacitor, host localhost, page /home
widget://com.acme.tv/index.html                   scheme widget, host com.acme.tv, page /index.html, app com.acme.tv

Query and fragment are dropped. Of a path, characters beyond ASCII and the blank are decoded where they can be printed;
escapes of other characters stay (`%2F` is no slash), their digits in capitals; the text is in Unicode's form NFC.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple
from unicodedata import normalize

from .event import RefusalError

MAX_PATH_CHARS: Final = 1_024
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
PATH_END: Final = re.compile(r"[?#]")

#: A path as it was sent may be so much longer: a letter of three bytes is nine characters.
MAX_RAW_CHARS: Final = 9 * MAX_PATH_CHARS
_URL: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+.\-]{0,31})://([^/?#@\s]{0,255})(/[^?#]*)?(?:[?#].*)?", re.IGNORECASE | re.DOTALL
)
_WEB: Final = frozenset({"http", "https"})
#: Schemes whose addresses are code or data, and none of a page.
_NO_PAGES: Final = frozenset({"javascript", "vbscript", "data", "blob", "about"})
#: Where webOS and Tizen unpack an app: its id is the name of its folder.
_APP_FOLDER: Final = re.compile(
    r"/(?:usr/palm/applications|opt/usr/apps|opt/usr/(?:globalapps|home/[^/]+/apps_rw)|opt/media/USB[^/]*/apps)/"
    r"([A-Za-z0-9][A-Za-z0-9_.:\-]{0,63})/"
)
_APP: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63}")
#: Hosts that every app of a kind has.
_NO_APPS: Final = frozenset({"localhost", "app", "index.html", "."})

_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
#: Escapes of these ASCII characters are decoded: none of them means anything in a path, or is a hexadecimal digit.
_PLAIN: Final = frozenset(b" -_~")
#: Invisible, and part of how Persian, Hindi and emoji are written.
_JOINERS: Final = "\u200c\u200d"
#: Longer addresses are not remembered.
_MAX_KNOWN: Final = 256


class PageAddress(NamedTuple):
    """Where a page is; `raw` is the path as it was sent if that is another spelling, `scheme` None for the web's."""

    host: str | None
    page: str
    raw: str | None = None
    scheme: str | None = None
    app: str | None = None


def page_address(said: str) -> PageAddress:
    """The address that a path or URL is. Raises RefusalError: bad_page, control_characters, page_too_long."""
    return _known(said) if len(said) <= _MAX_KNOWN else _read(said)


def readable(path: str) -> str:
    """The one spelling of a path; of that itself it is the same."""
    if path.isascii() and "%" not in path and path.isprintable():
        return path
    text = normalize("NFC", _ESCAPES.sub(_decoded, path))
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else _escaped(c) for c in text)


def _other_spelling(raw: str, page: str) -> str | None:
    """The path as it was sent, if that is not how it is kept."""
    return raw if raw != page else None


def _read(said: str) -> PageAddress:
    said = said.strip(" \t\r\n")
    if CONTROL.search(said):
        raise RefusalError("control_characters")
    if said.startswith("null/"):
        # The origin of a packaged app as a browser writes it, and then its path.
        said = said[4:]
    url = _URL.fullmatch(said)
    if url is not None:
        return _of_url(url[1].lower(), url[2].lower(), url[3] or "/")
    if said.startswith("/"):
        raw = PATH_END.split(said, maxsplit=1)[0]
        page = _page(raw)
        return PageAddress(None, page, _other_spelling(raw, page))
    raise RefusalError("bad_page")


def _of_url(scheme: str, host: str, raw: str) -> PageAddress:
    page = _page(raw)
    if scheme in _WEB:
        if not host:
            raise RefusalError("bad_page")
        return PageAddress(host, page, _other_spelling(raw, page))
    if scheme in _NO_PAGES:
        raise RefusalError("bad_page")
    folder = _APP_FOLDER.search(page)
    named = host if host not in _NO_APPS and scheme != "file" and _APP.fullmatch(host) else None
    return PageAddress(
        host or None, page, _other_spelling(raw, page), scheme, folder[1] if folder is not None else named
    )


def _page(raw: str) -> str:
    page = readable(raw) if len(raw) <= MAX_RAW_CHARS else raw
    if len(page) > MAX_PATH_CHARS:
        raise RefusalError("page_too_long")
    return page


def _decoded(escapes: re.Match[str]) -> str:
    """A run of escapes: what is UTF-8 as characters, all else as escapes."""
    text = bytes.fromhex(escapes[0].replace("%", "")).decode("utf-8", "surrogateescape")
    return "".join(_character(c) for c in text)


def _character(character: str) -> str:
    if ord(character) < 0x80:
        return character if ord(character) in _PLAIN else _escaped(character)
    return character if character.isprintable() or character in _JOINERS else _escaped(character)


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


_known = lru_cache(maxsize=16_384)(_read)
