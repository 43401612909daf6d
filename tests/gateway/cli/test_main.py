"""The command as a whole."""

import pytest
from typer.testing import CliRunner

from latchstring_gateway.cli.main import app


def test_without_arguments_it_says_what_it_can_do() -> None:
    """Every group is there, each with a sentence."""
    told = CliRunner().invoke(app, [], env={"COLUMNS": "200"}).output

    for word in ("serve", "keys", "inspect", "service-keys", "hooks", "report", "ledger"):
        assert word in told


@pytest.mark.parametrize("arguments", [["nothing"], ["service-keys", "nothing"], ["hooks", "add"]])
def test_a_mistyped_command_is_a_usage_error(arguments: list[str]) -> None:
    """Exit 2 and no stack trace."""
    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 2
    assert "Traceback" not in result.output
