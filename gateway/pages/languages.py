"""The languages that a website offers, and which of them a request is answered in.

A cookie of the website's own comes first, if the operator has named one: there somebody chose. Then `Accept-Language`
(RFC 9110 section 12.5.4; looked up as in RFC 4647 section 3.4), then the first of the languages.
"""

import re
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from babel import Locale, UnknownLocaleError
from starlette.requests import Request

from .catalogue import ENDING, CatalogueError, read_catalogue, translations
from .language import Language, english

#: What of the header is read: no person asks for more, and everybody may send it.
_MAX_HEADER_CHARS: Final = 512
_MAX_RANGES: Final = 16
_RANGE: Final = re.compile(r"([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)(?:;q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?")


class Languages:
    """The languages on offer, the first for whoever asks for none of them; `cookie` names the website's own, if any."""

    def __init__(self, offered: Sequence[Language], *, cookie: str = "") -> None:
        self._first = offered[0]
        self._cookie = cookie
        self._by_tag = {language.tag.lower(): language for language in offered}
        # Somebody who asks for Portuguese of anywhere is better off with that of Brazil than with English.
        self._by_primary = {language.tag.partition("-")[0]: language for language in reversed(offered)}

    @property
    def varies(self) -> str:
        """What the language of a page hangs on, for `Vary`; empty if there is but one."""
        if len(self._by_tag) == 1:
            return ""
        return "Accept-Language, Cookie" if self._cookie else "Accept-Language"

    def of(self, request: Request) -> Language:
        """The language of the answer to a request; whatever its headers hold, there is one."""
        if len(self._by_tag) == 1:
            return self._first
        chosen = request.cookies.get(self._cookie, "") if self._cookie else ""
        asked = ",".join(request.headers.getlist("accept-language"))
        for wanted in (chosen[:_MAX_HEADER_CHARS].replace("_", "-"), *_ranges(asked)):
            found = self._match(wanted.lower())
            if found is not None:
                return found
        return self._first

    def _match(self, wanted: str) -> Language | None:
        primary = wanted.partition("-")[0]
        while wanted:
            if wanted in self._by_tag:
                return self._by_tag[wanted]
            wanted = wanted.rpartition("-")[0]
        return self._by_primary.get(primary)


def _ranges(header: str) -> list[str]:
    """What the header asks for, the dearest first; what cannot be read is left out."""
    found = []
    for text in header[:_MAX_HEADER_CHARS].split(",")[:_MAX_RANGES]:
        read = _RANGE.fullmatch(text.replace(" ", "").replace("\t", ""))
        if read is not None and (weight := float(read[2] or 1)):
            found.append((weight, read[1]))
    return [wanted for _, wanted in sorted(found, key=lambda one: -one[0])]


def read_languages(tags: Sequence[str], own: Path | None = None) -> list[Language]:
    """The languages of these tags; texts in the folder `own` ("nl.po") come before ours. Raises CatalogueError."""
    problems = [f"{tag} stands there twice" for tag, times in Counter(tags).items() if times > 1]
    read: list[Language] = []
    for tag in dict.fromkeys(tags):
        try:
            read.append(_language(tag, own))
        except CatalogueError as error:
            problems += [f"{tag}: {problem}" for problem in error.problems]
    if problems or not read:
        raise CatalogueError(problems or ["expected at least one language"])
    return read


def _language(tag: str, own: Path | None) -> Language:
    locale = _locale(tag)
    name = tag + ENDING
    places = [files(__package__) / "catalogues", *([own] if own is not None else [])]
    found = [file for place in places if (file := place / name).is_file()]
    if not found and tag != english().tag:
        raise CatalogueError([f"we have no texts in this language, and the folder of your own has no {name}"])
    texts = english().texts
    for file in found:
        try:
            over = translations(read_catalogue(file.read_bytes(), locale))
        except OSError as error:
            raise CatalogueError([f"{file} cannot be read: {error.strerror}"]) from None
        over.add_fallback(texts)
        texts = over
    return Language(tag, locale, texts)


def _locale(tag: str) -> Locale:
    if tag == english().tag:
        return english().locale
    try:
        return Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        raise CatalogueError(["expected a language that CLDR knows, such as nl or pt-BR"]) from None
