"""`latchstring redirect`: a counted link of Snowplow's form to where no list allows one."""

from typing import Annotated

import typer

from ..clock import SystemClock
from ..snowplow.redirect import Redirects
from ..tokens.keyring import KeyFileError, KeyRing
from .keys import DEFAULT_DATA_DIR, DataDir, KeysFile, key_file
from .words import give_up


def register(app: typer.Typer) -> None:
    """Add `redirect` to the command."""
    app.command("redirect")(print_redirect)


def print_redirect(
    target: Annotated[str, typer.Argument(metavar="URL", help="Where it leads.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    keys_file: KeysFile = None,
) -> None:
    """Print path and query of a /r/tp2 link that leads to URL, with the seal that lets it; add &aid=… and the like.

    Targets on LATCHSTRING_PUBLIC_ORIGIN or LATCHSTRING_LINK_ORIGINS need none. The seal is good until its key is
    retired.
    """
    try:
        ring = KeyRing.load(key_file(keys_file, data_dir), SystemClock())
        print(Redirects(ring, ()).sealed(target))
    except (KeyFileError, ValueError) as error:
        give_up(error)
