"""Every text that people read is in every catalogue, whole; and nothing they read passes the catalogues by."""

import re
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.pofile import read_po

from harness.texts import CATALOGUES, EMPTY, GATEWAY, extracted, in_step
from harness.untold import in_module, in_template
from latchstring_gateway.pages.catalogue import read_catalogue
from latchstring_gateway.pages.languages import read_languages
from latchstring_gateway.pages.render import environment

#: For the operator's own people, in English.
_FOR_OPERATORS = {"charts.html", "dashboard.html", "dashboard_sign_in.html"}
_TEMPLATES = sorted(path for path in (GATEWAY / "pages/templates").iterdir() if path.name not in _FOR_OPERATORS)
#: Whatever makes words for people imports what the language comes with; the modules above the rooms only pass it on.
_MODULES = sorted(
    path
    for path in GATEWAY.glob("*/**/*.py")
    if re.search(r"pages\.(render|language|words) import|^from \.language import", path.read_text(), re.MULTILINE)
    and path.name != "languages.py"  # tells operators what is wrong with their settings
    and not {"cli", "demo", "dashboard"} & set(path.relative_to(GATEWAY).parts)
)
_CATALOGUES = sorted(CATALOGUES.glob("*.po"))


def _named(path: Path) -> str:
    return str(path.relative_to(GATEWAY))


@pytest.mark.parametrize("template", _TEMPLATES, ids=_named)
def test_a_template_shows_nothing_that_is_not_in_the_catalogues(template: Path) -> None:
    """Words stand within {% trans %} or _("…"), those of attributes too."""
    assert in_template(environment(), template.read_text()) == []


@pytest.mark.parametrize("module", _MODULES, ids=_named)
def test_a_module_says_nothing_that_is_not_in_the_catalogues(module: Path) -> None:
    """Sentences go through `gettext`, `ngettext` or `gettext_noop`; those of errors and logs are for programs."""
    assert in_module(module) == []


def test_what_passes_the_catalogues_by_is_found(tmp_path: Path) -> None:
    """The two tests above can fail: at a sentence, a heading, an attribute, a choice of words."""
    template = (
        '<h1>Hello there</h1><input title="Type {{ x }} here">{{ "Yes" if x else _("No") }}<p class="a b">{{ x }}</p>'
    )
    module = tmp_path / "module.py"
    module.write_text(
        '"""A docstring."""\n_A = {"x": "Look twice."}\ndef f(said):\n    if said: raise ValueError("not for people")\n'
        '    return said.gettext("All is well.") + "Sign out" + f"{said} is gone now"\n'
    )

    assert in_template(environment(), template) == ["Hello there", "Type  here", "Yes"]
    assert in_module(module) == ["Look twice.", "Sign out", " is gone now"]


@pytest.mark.parametrize("path", [EMPTY, *_CATALOGUES], ids=_named)
def test_a_catalogue_is_in_step_with_the_sources(path: Path) -> None:
    """It holds every text and no other, in the order of the sources: if not, run `make texts` and translate."""
    assert path.read_bytes() == in_step(path, extracted())


@pytest.mark.parametrize("path", _CATALOGUES, ids=_named)
def test_a_catalogue_is_whole(path: Path) -> None:
    """Nothing is missing or fuzzy, no form of a plural either; placeholders and tags are those of the original."""
    catalogue = read_catalogue(path.read_bytes(), Locale.parse(path.stem, sep="-"))
    missing = [message.id for message in catalogue if message.id and not message.string]

    assert missing == []
    assert all(all(message.string) for message in catalogue if isinstance(message.string, tuple))


@pytest.mark.parametrize("path", _CATALOGUES, ids=_named)
def test_the_forms_of_a_plural_are_those_of_the_language(path: Path) -> None:
    """Numbers that CLDR tells apart get different forms, and the others the same."""
    (language,) = read_languages([path.stem])
    with path.open("rb") as file:
        forms = read_po(file).num_plurals
    pairs = {(language.locale.plural_form(n), language.texts.plural(n)) for n in range(1_000)}  # type: ignore[attr-defined]

    assert len(pairs) == len({name for name, _ in pairs}) == len({form for _, form in pairs}) == forms
