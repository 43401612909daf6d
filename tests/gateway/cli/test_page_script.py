"""`latchstring page-script`: HTML to paste."""

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from latchstring_gateway.beacons.script import integrity, noscript_tag, script_path, script_tag
from latchstring_gateway.cli import page_script


def _run(*arguments: str) -> Result:
    app = typer.Typer()
    page_script.register(app)
    return CliRunner().invoke(app, list(arguments))


def test_it_prints_what_belongs_into_head_and_body() -> None:
    """The script with its integrity, and the pixel."""
    printed = _run("--app", "lantern", "--origin", "https://edge.example").output

    assert script_tag(app="lantern", origin="https://edge.example") in printed
    assert noscript_tag(app="lantern", origin="https://edge.example") in printed
    assert 'src="https://edge.example/latch/page.' in printed
    assert f'integrity="{integrity()}"' in printed


def test_templates_get_json() -> None:
    """Path and integrity."""
    told = json.loads(_run("--json").output)

    assert (told["path"], told["integrity"]) == (script_path(), integrity())


@pytest.mark.parametrize(
    "arguments",
    [("--app", "a b"), ("--app", '"'), ("--origin", "edge.example"), ("--origin", "https://a/b"), ("--origin", "//a")],
)
def test_what_is_no_id_or_origin_is_a_usage_error(arguments: tuple[str, str]) -> None:
    """Exit 2, with what was expected."""
    result = _run(*arguments)

    assert result.exit_code == 2
    assert "expected" in result.output
