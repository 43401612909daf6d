"""The texts of one language: a `.po` file (GNU gettext), read, checked, and turned into what looks texts up.

    msgid "Back to <bdi>%(site_name)s</bdi>"
    msgstr "Terug naar <bdi>%(site_name)s</bdi>"

A text is HTML. So a translation may put the placeholders and tags of the original in another order, but have no others.
"""

import re
from collections import Counter
from gettext import GNUTranslations
from io import BytesIO
from typing import Final

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

ENDING: Final = ".po"
#: A form of a plural may leave the number out where a word says it ("one device").
_NUMBER: Final = "num"

_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)s")
_TAG: Final = re.compile(r"</?[a-z][^<>]*>")
#: What would end an attribute or begin a tag where a text stands in one.
_UNSAFE: Final = re.compile(r"[\"<>]|&(?![a-z]+;)")


class CatalogueError(Exception):
    """The file is no catalogue, or some of its texts cannot be used; `problems` has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_catalogue(content: bytes, locale: Locale) -> Catalog:
    """The texts in a file with this content. Raises CatalogueError."""
    try:
        catalogue = read_po(BytesIO(content), locale=locale, abort_invalid=True)
    except (PoFileError, ValueError, LookupError) as error:
        raise CatalogueError([f"expected a .po file: {error}"]) from None
    problems = [problem for message in catalogue if message.id for problem in _problems(message, catalogue.num_plurals)]
    if problems:
        raise CatalogueError(problems)
    return catalogue


def translations(catalogue: Catalog) -> GNUTranslations:
    """What looks up the texts of a catalogue; those that are not translated yet stay English."""
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def _problems(message: Message, forms: int) -> list[str]:
    originals, said = _forms(message.id), _forms(message.string)
    if not any(said):
        return []
    name = f"“{originals[0]}”"
    if message.fuzzy:
        return [f"{name} is marked as fuzzy: look at it and take the mark away"]
    if len(originals) > 1 and (len(said) != forms or not all(said)):
        return [f"{name}: expected {forms} forms of the plural"]
    return [f"{name}: {problem}" for text in said for problem in _unlike(text, originals)]


def _forms(text: object) -> tuple[str, ...]:
    # A plural has several; Babel's own types know of more than its reader makes.
    return tuple(str(form or "") for form in (text if isinstance(text, tuple | list) else (text,)))


def _unlike(text: str, originals: tuple[str, ...]) -> list[str]:
    # The last of the originals is the plural, which names the number.
    wanted, found = set(_PLACEHOLDER.findall(originals[-1])), set(_PLACEHOLDER.findall(text))
    optional = {_NUMBER} if len(originals) > 1 else set()
    problems = []
    if not wanted - optional <= found <= wanted or "%" in _PLACEHOLDER.sub("", text).replace("%%", ""):
        problems.append(f"expected the placeholders {', '.join(sorted(wanted)) or '(none)'} and no other %")
    if Counter(_TAG.findall(text)) != Counter(_TAG.findall(originals[-1])):
        problems.append("expected the tags of the original")
    if _UNSAFE.search(_TAG.sub("", text)):
        problems.append('expected no ", < or > in the text itself, and & only as &amp;')
    return problems
