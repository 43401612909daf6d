"""`latchstring serve`: everything one node runs, until a signal."""

import asyncio
import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import Final

import typer
from prometheus_client.multiprocess import mark_process_dead
from redis.exceptions import AuthenticationError, ResponseError

from .. import logs, metric_files, settings
from ..clock import SystemClock
from ..errors import StoreAway
from ..format_mark import NewerFormatError, check_directory, mark_directory
from ..node_health import health_directory
from ..revocation import birthmark, registry
from ..settings import Settings, SettingsError
from ..shipping import pseudonyms
from ..shipping.commits import Commits
from ..shipping.pseudonyms import PseudonymKeyError
from ..store.client import Store
from ..store.embedded import EmbeddedStoreError
from ..store.examine import Findings, examine
from ..store.format_check import mark_store
from ..supervise import serve_lock, serving
from ..supervise.children import GoneHook
from ..supervise.listening import CannotListen
from ..supervise.serve_lock import DirectoryInUse
from ..supervise.shared_metrics import metrics_directory
from ..tokens.keyring import KeyFileError, KeyRing, create_key_file
from .new_directory import was_used

#: Another start would not help: whoever keeps us running must not try again.
_CANNOT_RUN_HERE: Final = 2


def register(app: typer.Typer) -> None:
    """Add `serve` to the command."""
    app.command("serve")(serve)


def serve() -> None:
    """Run the store (if embedded), the HTTP workers, the shipper and the hook deliverer.

    Settings come from the environment: LATCHSTRING_DATA_DIR, LATCHSTRING_LISTEN, LATCHSTRING_WORKERS,
    LATCHSTRING_STORE and others (docs/settings.md). SIGTERM stops everything in order. Exit codes: 0 stopped,
    2 cannot run here (in use), 78 the settings or keys cannot be used, or a newer release wrote the data.
    """
    with contextlib.ExitStack() as until_the_end:
        raise typer.Exit(_serve(until_the_end))


def _serve(until_the_end: contextlib.ExitStack) -> int:
    try:
        chosen = settings.read()
        until_the_end.enter_context(serve_lock.held(chosen.data_dir))
        prepare(chosen)
        if chosen.store != "embedded":
            asyncio.run(examine_store(chosen))
    except (DirectoryInUse, OSError) as error:
        print(error, file=sys.stderr)
        return _CANNOT_RUN_HERE
    except (SettingsError, KeyFileError, PseudonymKeyError, NewerFormatError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(os.EX_CONFIG) from None
    logs.configure(level=chosen.log_level)
    plan = serving.Plan(
        data_dir=chosen.data_dir,
        listen=chosen.listen,
        workers=chosen.workers,
        shippers=chosen.shippers,
        sends=bool(chosen.clickhouse),
        embedded_store=chosen.store == "embedded",
    )
    try:
        return serving.serve(plan, on_child_gone=_goodbye_for(chosen))
    except (EmbeddedStoreError, CannotListen) as error:
        print(error, file=sys.stderr)
        return _CANNOT_RUN_HERE


def prepare(chosen: Settings) -> None:
    """Make a new data directory ready: folders, and a key ring if there is none and nothing yet needs one.

    Raises NewerFormatError if a newer release wrote there, PseudonymKeyError if the key of pseudonyms cannot be used,
    and KeyFileError if the keys cannot be, or are missing where they should be there: beside data of a deployment that
    has run, with an outside store, or under a name that was set. New keys in their place would sign everybody out.
    """
    chosen.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_directory(chosen.data_dir)
    is_new = chosen.store == "embedded" and not was_used(chosen.data_dir)
    if is_new and chosen.keys_file is None:
        with contextlib.suppress(FileExistsError):
            create_key_file(chosen.keys_path)
    KeyRing.load(chosen.keys_path, SystemClock())
    _check_pseudonyms(chosen.data_dir)
    mark_directory(chosen.data_dir)
    if is_new:
        # Before there is a store: one without this file beside it was put into this directory.
        birthmark.write(chosen.data_dir / "store-seen", 0)
    # Figures of processes long gone would be added up for ever, and what they said of their work would be believed.
    shutil.rmtree(metrics_directory(chosen.data_dir), ignore_errors=True)
    shutil.rmtree(health_directory(chosen.data_dir), ignore_errors=True)
    for name in ("journal", "warehouse", "run", metrics_directory(Path())):
        (chosen.data_dir / name).mkdir(mode=0o700, exist_ok=True)


def _check_pseudonyms(data_dir: Path) -> None:
    if (data_dir / pseudonyms.FILE).exists():
        pseudonyms.Pseudonyms.at(data_dir)
    elif Commits(data_dir / "warehouse").ids():
        line = "is made anew: every visitor is a new one from now on, and erasures find nobody from before"
        print(
            f"warning: {data_dir / pseudonyms.FILE} is missing and {line}; stop, and restore it from a backup or from"
            " another node, unless that is meant",
            file=sys.stderr,
        )


async def examine_store(chosen: Settings) -> None:
    """Tell on stderr what an outside store cannot keep. Raises SettingsError, NewerFormatError for what must not be.

    A store that does not answer now is waited for by the workers; one that refuses us would refuse them too.
    """
    store = Store(chosen.store_url, replicas=chosen.replicas)
    try:
        found = await examine(store)
        if not found.refused:
            await mark_store(store)
    except StoreAway as away:
        line = f"{away}: what it keeps could not be examined"
        is_refusal = isinstance(away.__cause__, AuthenticationError | ResponseError)
        found = Findings(refused=[line]) if is_refusal else Findings(warned=[line])
    finally:
        await store.close()
    for line in found.warned:
        print(f"warning: {line}", file=sys.stderr)
    if found.refused:
        raise SettingsError([f"LATCHSTRING_STORE: {line}" for line in found.refused])


def _goodbye_for(chosen: Settings) -> GoneHook:
    metrics, dead = metrics_directory(chosen.data_dir), set[int]()

    async def goodbye(name: str, pid: int) -> None:
        # What it said of itself holds no more: a dead shipper's backlog, a dead worker's fence.
        mark_process_dead(pid, str(metrics))
        dead.add(pid)
        # Else with the next that dies: the file counts as it is.
        with contextlib.suppress(metric_files.FilesHeld, OSError):
            await metric_files.fold(metrics, dead)
        # A reaped process answers nothing: receipts need not wait for it.
        if not name.startswith("worker"):
            return
        store = Store(chosen.store_url)
        try:
            await registry.strike_process(store, registry.this_host(), pid)
        except StoreAway:
            # Its row runs out by itself; until then receipts say who is missing.
            pass
        finally:
            await store.close()

    return goodbye
