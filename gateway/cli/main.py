"""The command `latchstring`: puts the sub-commands together."""

import os

import typer

from . import (
    admin,
    dead_letters,
    demo,
    erase,
    fingerprints,
    geo,
    hooks,
    inspect_token,
    keys,
    ledger,
    links,
    log_name,
    moving,
    page_script,
    redirect,
    reports,
    revoke,
    serve,
    store,
    trials,
    warehouse,
)

app = typer.Typer(
    name="latchstring",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Remembers browsers, TVs and consoles, forgets one at once, and counts what they see.",
)
_GROUPS = (
    serve, demo, keys, inspect_token, log_name, admin, hooks, revoke, moving, store, reports, ledger, dead_letters,
    page_script, redirect, links, erase, geo, trials, fingerprints, warehouse,
)  # fmt: skip
for _group in _GROUPS:
    _group.register(app)


def main() -> None:
    """Entry point. Whatever a command or a process of the gateway makes is its owner's alone."""
    os.umask(0o077)
    app()


if __name__ == "__main__":
    main()
