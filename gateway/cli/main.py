"""The command `latchstring`: puts the sub-commands together."""

import typer

from . import admin, inspect_token, keys, serve

app = typer.Typer(
    name="latchstring",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Remembers browsers, TVs and consoles, forgets one at once, and counts what they see.",
)
for _group in (serve, keys, inspect_token, admin):
    _group.register(app)


def main() -> None:
    """Entry point."""
    app()
