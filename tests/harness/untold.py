"""Finds texts that people would read in English whatever their language: those that pass by the catalogues."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from jinja2 import Environment, nodes

from latchstring_gateway import errors

_MARKED: Final = {"gettext", "ngettext", "gettext_noop", "_"}
#: Attributes that are read out or shown.
_SPOKEN: Final = {"alt", "aria-label", "placeholder", "title", "content"}
_MARKUP: Final = re.compile(r"<[^<>]*>")
_LETTERS: Final = re.compile(r"[^\W\d_]{2,}")
#: A sentence, or a word as a heading has it; not a name of ours, a header or a path.
_SENTENCE: Final = re.compile(r".*[^\W\d_]+[,.:;!?]? [^\W\d_]|[A-Z][a-z]+[.!?]?$", re.DOTALL)
#: Values of headers, and classes of the style sheet.
_FOR_MACHINES: Final = re.compile(r"default-src |private, no-store$|Accept-Language|icon ")
_META: Final = re.compile(r"width=|light dark|noindex")


def in_template(templates: Environment, source: str) -> list[str]:
    """What a template shows that is no marked text."""
    tree = templates.parse(source)
    marked = {
        id(const)
        for call in tree.find_all(nodes.Call)
        if _called(call) in _MARKED
        for const in call.find_all(nodes.Const)
    }
    html = "".join(data.data for data in _in_order(tree) if isinstance(data, nodes.TemplateData))
    consts = [
        const.value
        for const in tree.find_all(nodes.Const)
        if id(const) not in marked and isinstance(const.value, str) and _is_told(const.value)
    ]
    return [*_Shown(html).texts, *consts]


def in_module(path: Path) -> list[str]:
    """Sentences in a module that are no marked text, no docstring, and not for programs: errors, logs, and headers."""
    tree = ast.parse(path.read_text())
    fine = {id(one) for node in ast.walk(tree) for one in _not_shown(node)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in fine
        and _is_told(node.value)
    ]


def _is_told(text: str) -> bool:
    return bool(_SENTENCE.match(_MARKUP.sub("", text))) and not _FOR_MACHINES.match(text)


def _called(call: nodes.Call) -> str:
    return call.node.name if isinstance(call.node, nodes.Name) else ""


def _in_order(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _in_order(child)


def _not_shown(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _MARKED or isinstance(getattr(errors, name, None), type):
            yield from ast.walk(node)
    elif isinstance(node, ast.FunctionDef) and node.returns is not None:
        yield from ast.walk(node.returns)
    elif isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        yield from ast.walk(node)


class _Shown(HTMLParser):
    """Gathers what a browser shows or reads out."""

    def __init__(self, html: str) -> None:
        super().__init__()
        #: What was found.
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts += [
            text
            for name, text in attrs
            if name in _SPOKEN and text and _LETTERS.search(text) and not _META.search(text)
        ]

    def handle_data(self, data: str) -> None:
        if _LETTERS.search(data):
            self.texts.append(data.strip())
