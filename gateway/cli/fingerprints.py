"""`latchstring fingerprints`: forgetting what was kept of devices under a key, by a running worker."""

from typing import Annotated

import typer

from .ask_worker import told_by_worker

fingerprints_app = typer.Typer(no_args_is_help=True, help="What devices give away, as keyed hashes: forgetting.")


def register(app: typer.Typer) -> None:
    """Add `fingerprints` to the command."""
    app.add_typer(fingerprints_app, name="fingerprints")


@fingerprints_app.callback()
def _fingerprints() -> None:
    """What devices give away, kept as keyed hashes."""


@fingerprints_app.command("forget")
def forget(
    key: Annotated[str, typer.Option(help="A key of the ring, by its id; it may be gone.")],
) -> None:
    """Forget what was kept of devices under a key; an erasure forgets what was kept of an account's.

    latchstring fingerprints forget --key k3Vx9q
    """
    told = told_by_worker("/v1/fingerprints/forget", {"key_id": key})
    print(f"{told['signals']:,} forgotten.")
