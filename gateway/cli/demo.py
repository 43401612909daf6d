"""`latchstring demo`: the whole story on this machine."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `demo` to the command."""
    app.command("demo")(demo)


def demo(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Walk the story in headless Chromium and exit 0 or 1.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of https://localhost; the two after it are used too.")] = 8443,
    data_dir: Annotated[Path, typer.Option(help="Where the demo keeps everything.")] = Path("demo-data"),
) -> None:
    """Run a small streaming website behind Caddy and Latchstring, and print where to open it; Ctrl-C stops it."""
    # The demo needs packages of the extra `demo`; the other commands do not.
    from ..demo.run import run

    raise typer.Exit(run(data_dir=data_dir, port=port, walk=check))
