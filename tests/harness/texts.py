"""The texts that people read, as templates and modules have them, and catalogues in step with them.

`make texts` does it: a new text stands in each catalogue then, to be translated, and one that is gone is taken out.
"""

import re
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

GATEWAY: Final = Path(__file__).parents[2] / "gateway"
CATALOGUES: Final = GATEWAY / "pages" / "catalogues"
#: What translators of a further language begin with.
EMPTY: Final = CATALOGUES / "texts.pot"

_METHODS: Final = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
_TEMPLATES: Final = {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}
#: Headers that say nothing here, and change with each run.
_IDLE: Final = re.compile(
    rb'"(Project-Id-Version|Report-Msgid-Bugs-To|POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team'
    rb'|Generated-By): [^"]*"\n'
)
_HEADER: Final = "# Texts of Latchstring's pages (docs/pages.md)."


def extracted() -> Catalog:
    """Every text in the sources, not translated."""
    catalogue = Catalog(project="Latchstring", header_comment=_HEADER, charset="utf-8", fuzzy=False)
    for name, line, message, comments, context in extract_from_dir(
        GATEWAY,
        _METHODS,
        options_map={"**/templates/**.html": _TEMPLATES},
        keywords={**DEFAULT_KEYWORDS, "gettext_noop": None},
        comment_tags=("Translators:",),
        strip_comment_tags=True,
    ):
        catalogue.add(message, None, [(name, line)], auto_comments=comments, context=context)
    return catalogue


def in_step(path: Path, texts: Catalog) -> bytes:
    """What the catalogue at `path` has to hold: its translations of these texts, and nothing else."""
    if path == EMPTY:
        return written(texts)
    with path.open("rb") as file:
        catalogue = read_po(file)
    catalogue.update(texts, no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    return written(catalogue)


def written(catalogue: Catalog) -> bytes:
    """A catalogue as a file, without what changes with every commit."""
    file = BytesIO()
    write_po(file, catalogue, width=100, sort_by_file=True, include_lineno=False)
    return _IDLE.sub(b"", file.getvalue())


def main() -> None:
    """Write every catalogue anew, and tell what is left to translate."""
    texts = extracted()
    for path in (EMPTY, *sorted(CATALOGUES.glob("*.po"))):
        content = in_step(path, texts)
        path.write_bytes(content)
        missing = [message.id for message in read_po(BytesIO(content)) if message.id and not message.string]
        print(f"{path.name}: {'' if path == EMPTY else f'{len(missing)} of '}{len(texts)} texts to translate")


if __name__ == "__main__":
    main()
