"""`latchstring keys retire KID --dry-run`: who would be cut off, and whether every worker is ready for it."""

import asyncio
import json
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from .. import settings
from ..clock import SystemClock
from ..errors import StoreAway
from ..mail.life import LinkLife
from ..revocation import registry
from ..sessions.key_census import UNNOTED, KeyCensus, take_census
from ..settings import SettingsError
from ..store.client import Store
from ..tokens.keyfile import KeyState
from ..tokens.keyring import KeyFileError, KeyRing
from .words import give_up, utc_time


def tell_who_would_be_cut_off(path: Path, data_dir: Path, key_id: str, *, as_json: bool) -> None:
    """Count and print; changes nothing. Leaves with status 1 if the keys or the store cannot be read."""
    try:
        ring = KeyRing.load(path, SystemClock())
        if ring.get(key_id) is None:
            give_up(KeyFileError(str(path), [f"there is no key {key_id!a}: see `latchstring keys list`"]))
        found = asyncio.run(_ask(settings.read(data_dir=data_dir).store_url, ring, key_id))
    except (KeyFileError, SettingsError, StoreAway) as error:
        give_up(error)
    print(json.dumps(found, indent=2) if as_json else _in_words(found))


async def _ask(store_url: str, ring: KeyRing, key_id: str) -> dict[str, object]:
    others = {key.id for key in ring.all_keys() if key.state is KeyState.ACTIVE and key.id != key_id}
    store = Store(store_url)
    try:
        with Progress(console=Console(stderr=True), transient=True) as shown:
            task = shown.add_task("looking at every session and device")
            census = await take_census(
                store,
                now_ms=SystemClock().wall_ms(),
                progress=lambda done, total: shown.update(task, completed=done, total=total),
            )
        registered = await registry.read(store)
        links_until_ms = await LinkLife(store).until_ms(key_id)
    finally:
        await store.close()
    behind = [one.worker for one in registered if not others & set(one.row.keys)]
    return {**_found(census, key_id, behind=behind, workers=len(registered)), "links_until_ms": links_until_ms}


def _found(census: KeyCensus, key_id: str, *, behind: list[str], workers: int) -> dict[str, object]:
    return {
        "key": key_id,
        "sessions": census.sessions[key_id],
        "sessions_remembered": census.remembered[key_id],
        "sessions_live": census.sessions.total(),
        "sessions_without_note": census.sessions[UNNOTED],
        "devices": census.devices[key_id],
        "devices_active": census.devices.total(),
        "devices_without_note": census.devices[UNNOTED],
        "unreadable": census.unreadable,
        "workers": workers,
        "workers_without_successor": behind,
    }


def _in_words(found: dict[str, object]) -> str:
    sessions, remembered, devices = (found[name] for name in ("sessions", "sessions_remembered", "devices"))
    lines = [
        f"if key {found['key']} were retired now:",
        f"  {sessions} of {found['sessions_live']} live sessions would have to sign in again ({remembered} remembered)",
        f"  {devices} of {found['devices_active']} devices would be taken for new ones at their next sign-in",
        "counted by the cookie last shown: perhaps a few too many, not too few",
    ]
    links_until_ms = found["links_until_ms"]
    if isinstance(links_until_ms, int) and links_until_ms > SystemClock().wall_ms():
        lines.append(f"  links of mails that work until {utc_time(links_until_ms)} would be over at once")
    if found["sessions_without_note"] or found["devices_without_note"]:
        lines.append(
            f"  not counted: {found['sessions_without_note']} sessions and {found['devices_without_note']} devices from"
            " before keys were noted"
        )
    if found["unreadable"]:
        lines.append(f"  not counted: {found['unreadable']} records that are none of a session or device")
    behind = found["workers_without_successor"]
    if isinstance(behind, list) and behind:
        lines.append(f"NOT YET: {len(behind)} of {found['workers']} workers know no other key that signs:")
        lines += [f"  {worker}" for worker in behind]
    return "\n".join(lines)
