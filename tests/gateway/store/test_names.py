"""Looking through the names of keys, on one server and on several."""

import time
from pathlib import Path

import pytest

from harness.importing import device_line, run_import, write_lines
from harness.replicated import cluster
from latchstring_gateway.moving.take_out import take_out
from latchstring_gateway.sessions.key_census import take_census
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store
from latchstring_gateway.store.names import is_ours, keys_everywhere, names_everywhere

pytestmark = pytest.mark.store


@pytest.mark.parametrize(
    ("name", "is_device"),
    [
        (f"{keys.prefix(3)}device:x", True),
        (f"{keys.prefix(3)}device:x:y", True),
        (f"{keys.prefix(3)}devices:x", False),
        ("{zzz}:device:x", False),
        ("device", False),
        ("", False),
        ("{", False),
        ("{}:device:", False),
        (f"x{keys.prefix(3)}device:x", False),
    ],
)
def test_what_is_ours(name: str, is_device: bool) -> None:
    """Only a partition of ours, and exactly this kind."""
    assert is_ours(name, "device") is is_device


async def test_every_server_of_a_cluster_is_looked_at(tmp_path: Path) -> None:
    """Of 300 devices on three masters 94 were exported, and as many counted before a key was retired."""
    lines = [device_line(f"u{number}") for number in range(300)]
    with cluster(masters=3) as servers:
        store = Store(servers.url)
        await run_import(store, write_lines(tmp_path / "d", *lines), "devices")

        exported = [line async for line in take_out(store, "devices", now_ms=time.time_ns() // 1_000_000)]
        census = await take_census(store, now_ms=time.time_ns() // 1_000_000, progress=lambda *_: None)
        names = [name async for some in names_everywhere(store, "*") for name in some]
        total = await keys_everywhere(store)
        await store.close()

    assert len(exported) == 300
    assert census.devices.total() == 300
    assert len(set(names)) == total > 300
