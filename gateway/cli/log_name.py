"""`latchstring log-name`: what a session, device or account is called in the logs."""

from enum import StrEnum
from typing import Annotated

import typer

from ..clock import SystemClock
from ..tokens.keyfile import KeyState
from ..tokens.keyring import KeyFileError, KeyRing
from ..tokens.log_names import log_name
from .keys import DEFAULT_DATA_DIR, DataDir, KeysFile, key_file
from .words import give_up


class _Kind(StrEnum):
    SESSION = "session"
    DEVICE = "device"
    ACCOUNT = "account"


def register(app: typer.Typer) -> None:
    """Add `log-name` to the command."""
    app.command("log-name")(print_log_names)


def print_log_names(
    kind: Annotated[_Kind, typer.Argument(help="What the id is of.")],
    subject: Annotated[str, typer.Argument(metavar="ID", help="As the API gives it; of an account, the account.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    keys_file: KeysFile = None,
) -> None:
    """Print what to search the logs for: one name a line, for each key that may have signed, the newest last.

    Logs never hold ids, but keyed hashes of them; without the key file nobody can tell whose lines they are.
    """
    try:
        ring = KeyRing.load(key_file(keys_file, data_dir), SystemClock())
    except KeyFileError as error:
        give_up(error)
    for key in sorted(ring.all_keys(), key=lambda key: key.created_at_ms):
        if key.state is not KeyState.RETIRED:
            print(log_name(key, kind.value, subject))
