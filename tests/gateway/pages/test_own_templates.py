"""An operator's templates: taken before ours, and looked at when they are read."""

from pathlib import Path

import pytest
from starlette.requests import Request

from harness.pages import pages
from latchstring_gateway.pages.look import Look
from latchstring_gateway.pages.own_templates import problems_in


def _shown(folder: Path) -> str:
    reader = pages(look=Look(templates=folder)).reader(Request({"type": "http", "headers": []}))
    return bytes(reader.page("signed_out.html", sign_in_url="/sign-in").body).decode()


def test_a_page_can_be_changed_in_part(tmp_path: Path) -> None:
    """Built on ours of the same name, with a piece of the operator's own; texts are translated there too."""
    (tmp_path / "base.html").write_text(
        '{% extends "ours/base.html" %}{% block footer %}{% include "own-foot.html" %}{% endblock %}'
    )
    (tmp_path / ".git").mkdir()
    (tmp_path / "own-foot.html").write_text("<p>{{ site_name }} &copy; {{ _('Your devices') }}</p>")

    assert problems_in(tmp_path) == []
    assert "<p>Lantern &copy; Your devices</p>" in _shown(tmp_path)
    assert "<h1>You are signed out</h1>" in _shown(tmp_path)


def test_a_page_can_be_all_the_operators_own(tmp_path: Path) -> None:
    """With what ours has to show, escaped as in ours."""
    (tmp_path / "signed_out.html").write_text("Bye, <a href='{{ sign_in_url }}'>{{ site_name }}</a>{{ '<' }}")

    assert problems_in(tmp_path) == []
    assert _shown(tmp_path) == "Bye, <a href='/sign-in'>Lantern</a>&lt;"


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("signed_out.html", "{% if %}", "signed_out.html, line 1: Expected an expression"),
        ("signed_out.html", "\n{% block main %}", "signed_out.html, line 2: Unexpected end of template"),
        ("signed_out.html", "{{ card.name }}", "signed_out.html: this page has no card"),
        ("signed_out.html", "{{ x|nothing }}", "signed_out.html, line 1: No filter named 'nothing'"),
        ("signed_out.html", "{% extends 'own-missing.html' %}", "cannot be used: own-missing.html"),
        (
            "signed-out.html",
            "x",
            "signed-out.html: expected the name of a template of ours",
        ),
        ("own-foot.html", "{% if %}", "own-foot.html, line 1"),
        ("signed_out.html", "\udcff", "cannot be used"),
    ],
)
def test_a_template_that_cannot_be_used_is_told_with_its_line(
    tmp_path: Path, name: str, source: str, told: str
) -> None:
    """Before anybody needs the page."""
    (tmp_path / name).write_bytes(source.encode(errors="surrogateescape"))

    (problem,) = problems_in(tmp_path)

    assert told in problem


def test_all_templates_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    """Not just the first."""
    for name in ("devices.html", "error.html"):
        (tmp_path / name).write_text("{{ nothing_of_ours }}")

    assert len(problems_in(tmp_path)) == 2


def test_a_template_that_fails_when_it_is_needed_gives_way_to_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody who signs a thief out gets the page; the log says what to mend."""
    (tmp_path / "signed_out.html").write_text("{{ sign_in_url.nothing.at_all }}")

    assert problems_in(tmp_path) == []
    assert "<h1>You are signed out</h1>" in _shown(tmp_path)
    assert "template_failed" in "".join(capsys.readouterr())
