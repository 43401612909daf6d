"""What the demo's website and the gateway must know of each other: a service credential and a hook."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ..clock import SystemClock
from ..hooks.registry import Hooks
from ..service_keys import ServiceKeys
from ..store.client import Store

_KEY_NAME: Final = "Lantern (demo)"
_FILE: Final = "lantern.json"


@dataclass(frozen=True, slots=True)
class DemoSecrets:
    """The website's half: its credential for /v1, and the secret that signs its hooks."""

    credential: str
    hook_secret: str


def secrets_path(data_dir: Path) -> Path:
    """Where they are kept between `prepare` and the website, readable by the owner only."""
    return data_dir / _FILE


async def prepare(data_dir: Path, *, store_url: str, hook_url: str) -> DemoSecrets:
    """Give the website a new credential, withdraw those of former runs, register its hook; idempotent.

    Raises errors.StoreAway.
    """
    clock = SystemClock()
    store = Store(store_url)
    try:
        service_keys, hooks = ServiceKeys(store, clock), Hooks(store, clock)
        former = [key.id for key in await service_keys.list() if key.name == _KEY_NAME]
        credential = await service_keys.add(_KEY_NAME)
        for key_id in former:
            await service_keys.revoke(key_id)
        hook = next((one for one in await hooks.list() if one.url == hook_url), None) or await hooks.add(hook_url)
    finally:
        await store.close()
    made = DemoSecrets(credential, hook.secret)
    _write(secrets_path(data_dir), made)
    return made


def read_secrets(data_dir: Path) -> DemoSecrets:
    """What `prepare` left; FileNotFoundError before it ran."""
    return DemoSecrets(**json.loads(secrets_path(data_dir).read_text()))


def _write(path: Path, made: DemoSecrets) -> None:
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(made), file)
    fresh.replace(path)
