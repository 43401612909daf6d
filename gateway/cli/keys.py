"""`latchstring keys`: see the signing keys, add one, stop using one."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..clock import SystemClock
from ..tokens.keyfile import KeyState, RingKey
from ..tokens.keyring import NO_KEY_FILE, KeyFileError, KeyRing, create_key_file
from ..tokens.rotation import KeyChangeError, retire, rotate
from .cut_off import tell_who_would_be_cut_off
from .new_directory import was_used
from .words import give_up, relative, span

DataDir = Annotated[Path, typer.Option("--data-dir", envvar="LATCHSTRING_DATA_DIR", help="Holds keys.json.")]
KeysFile = Annotated[
    Path | None,
    typer.Option("--keys-file", envvar="LATCHSTRING_KEYS_FILE", help="The key file, if it is not DATA_DIR/keys.json."),
]
DEFAULT_DATA_DIR: Final = Path("data")

keys_app = typer.Typer(no_args_is_help=True, help="The signing keys: make, list, rotate, retire.")


def register(app: typer.Typer) -> None:
    """Add `keys` to the command."""
    app.add_typer(keys_app, name="keys")


def key_file(keys_file: Path | None, data_dir: Path) -> Path:
    """Where the keys are."""
    return keys_file or data_dir / "keys.json"


@keys_app.command("list")
def list_keys(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    keys_file: KeysFile = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Show each key: age, state, and which one signs; never a secret.

    The key that signs is judged by this machine's clock; a worker waits besides until all workers know the key.
    """
    path, clock = key_file(keys_file, data_dir), SystemClock()
    try:
        ring = KeyRing.load(path, clock)
    except KeyFileError as error:
        give_up(error)
    signing, now_ms = ring.signing_key(), clock.wall_ms()
    if as_json:
        rows = [_as_row(key, signs=key is signing) for key in ring.all_keys()]
        print(json.dumps({"keys_file": str(path), "keys": rows}, indent=2))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("key", "state", "age", "signs"):
        table.add_column(heading, no_wrap=True)
    for key in ring.all_keys():
        age = span(max(0, now_ms - key.created_at_ms))
        table.add_row(key.id, key.state.value, age, _signs(key, signing, now_ms))
    Console().print(table)


@keys_app.command("init")
def make_keys(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    keys_file: KeysFile = None,
    *,
    everybody_signs_in_again: Annotated[
        bool, typer.Option("--everybody-signs-in-again", help="The old keys are lost for good; start over.")
    ] = False,
) -> None:
    """Make the key file of a new deployment, with one key; never touches one that is there.

    Beside data of a deployment that has run it is refused: with other keys nobody there is signed in any more.
    `latchstring serve` does the same by itself in a data directory that is new.
    """
    path = key_file(keys_file, data_dir)
    if was_used(data_dir) and not everybody_signs_in_again:
        give_up(
            KeyFileError(
                str(path), [f"{data_dir} has been in use: {NO_KEY_FILE}, then with --everybody-signs-in-again"]
            )
        )
    try:
        create_key_file(path, SystemClock())
    except FileExistsError:
        give_up(KeyFileError(str(path), ["there is one already, and it stays: `latchstring keys list` shows it"]))
    except OSError as error:
        give_up(error)
    print(f"made {path} with one key; keep it secret and back it up")


@keys_app.command("rotate")
def rotate_keys(
    data_dir: DataDir = DEFAULT_DATA_DIR,
    keys_file: KeysFile = None,
    ahead_seconds: Annotated[
        int, typer.Option("--in", min=0, max=86_400, help="Seconds until the new key may sign.")
    ] = 5,
) -> None:
    """Add a key. Nobody is signed out: the older keys go on verifying until you retire them.

    Running workers take it up by themselves, once the file is on every host.
    """
    path = key_file(keys_file, data_dir)
    try:
        key = rotate(path, SystemClock(), ahead_seconds=ahead_seconds)
    except (KeyFileError, OSError) as error:
        give_up(error)
    when = f"in {span(ahead_seconds * 1_000)}" if ahead_seconds else "at once"
    print(
        f"added key {key.id} to {path}; it may sign {when}, and does when every worker has known it for"
        " LATCHSTRING_KEY_LEAD_SECONDS"
    )


@keys_app.command("retire")
def retire_key(
    key_id: Annotated[str, typer.Argument(metavar="KID", help="The key's id, as `keys list` shows it.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
    keys_file: KeysFile = None,
    *,
    verify_only: Annotated[
        bool, typer.Option("--verify-only", help="Only stop signing with it; what it signed stays good.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; ask the store who would be cut off.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: one JSON object.")] = False,
) -> None:
    """Stop accepting all that a key signed: whoever holds only such a cookie must sign in again.

    `--dry-run` counts them. Unless the key has leaked, wait after a rotation as long as your longest remembered session
    lives. The last active key cannot be retired: rotate first.
    """
    path = key_file(keys_file, data_dir)
    if dry_run:
        tell_who_would_be_cut_off(path, data_dir, key_id, as_json=as_json)
        return
    state = KeyState.VERIFY_ONLY if verify_only else KeyState.RETIRED
    try:
        retire(path, key_id, SystemClock(), state=state)
    except (KeyFileError, KeyChangeError, OSError) as error:
        give_up(error)
    print(f"key {key_id} is now {state.value}")


def _as_row(key: RingKey, *, signs: bool) -> dict[str, object]:
    return {
        "id": key.id,
        "state": key.state.value,
        "created_at_ms": key.created_at_ms,
        "not_before_ms": key.not_before_ms,
        "signs": signs,
    }


def _signs(key: RingKey, signing: RingKey, now_ms: int) -> str:
    if key is signing:
        return "now"
    waiting = key.state is KeyState.ACTIVE and key.not_before_ms > now_ms
    return relative(key.not_before_ms, now_ms) if waiting else ""
