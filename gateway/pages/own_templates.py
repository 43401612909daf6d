"""The operator's templates, which stand before ours: checked when they are read, not when somebody needs the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from jinja2 import Environment, TemplateError, TemplateSyntaxError, meta

from .render import FRAME, environment

#: Files of an operator's that are no page of ours but are included by one begin so.
OWN_PREFIX: Final = "own-"
_FRAME_TEMPLATE: Final = "base.html"


def problems_in(folder: Path) -> list[str]:
    """What is wrong with the templates in a folder, a line for each; empty if all of them can be used."""
    ours = environment()
    known = {name for name in ours.list_templates() if "/" not in name}
    # What begins with a dot is an editor's or a repository's.
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [problem for path in files for problem in _problems(path, known, folder)]


def _problems(path: Path, known: set[str], folder: Path) -> Iterator[str]:
    if path.name not in known and not path.name.startswith(OWN_PREFIX):
        yield f"{path.name}: expected the name of a template of ours, or one that begins with {OWN_PREFIX}"
        return
    both = environment(own=folder)
    try:
        tree = both.parse(path.read_text(encoding="utf-8"))
        both.get_template(path.name)
        for name in meta.find_referenced_templates(tree):
            if name is not None:
                both.get_template(name)
        unknown = meta.find_undeclared_variables(tree) - _given(path.name)
    except TemplateSyntaxError as error:
        yield f"{path.name}, line {error.lineno}: {error.message}"
    except (TemplateError, OSError, ValueError) as error:
        yield f"{path.name}: cannot be used: {error}"
    else:
        if unknown and path.name in known:
            yield f"{path.name}: this page has no {', '.join(sorted(unknown))}"


def _given(name: str) -> set[str]:
    """What the page `name` is given: whatever our own template of it uses, and the frame."""
    ours = environment()
    used = _used(ours, _FRAME_TEMPLATE) | FRAME | ours.globals.keys()
    return used | _used(ours, name) if name in ours.list_templates() else used


def _used(ours: Environment, name: str) -> set[str]:
    assert ours.loader is not None
    return meta.find_undeclared_variables(ours.parse(ours.loader.get_source(ours, name)[0]))
