"""Exporting: what could still be used, in lines that an import takes."""

from pathlib import Path
from typing import Any

import msgspec

from harness.importing import device_line, run_import, session_line, write_lines
from harness.worker_app import Jar, Worker, now_ms
from latchstring_gateway.ids import Account
from latchstring_gateway.moving.lines import Kind
from latchstring_gateway.moving.take_out import take_out
from latchstring_gateway.store import keys
from latchstring_gateway.store.client import Store


async def _export(store: Store, kind: Kind) -> list[dict[str, Any]]:
    lines = [line async for line in take_out(store, kind, now_ms=now_ms())]
    assert all(line.endswith(b"\n") for line in lines)
    return sorted((msgspec.json.decode(line) for line in lines), key=str)


async def _accounts(store: Store, kind: Kind) -> list[str]:
    return [line["account"] for line in await _export(store, kind)]


async def test_sessions_that_could_still_be_used_are_exported(worker: Worker) -> None:
    """Not the ended, the signed out, the disabled, the over, nor those of a removed device."""
    jars = {
        name: await worker.signed_in(name) for name in ("ada", "ended", "signed-out", "disabled", "removed", "over")
    }
    session = (await worker.verify(jars["ended"])).headers["x-latch-session"]
    await worker.api("DELETE", f"/v1/accounts/ended/sessions/{session}")
    await worker.api("POST", "/v1/accounts/signed-out/revoke")
    await worker.store.redis.hset(keys.account(Account("disabled")), "disabled", "1")
    device = (await worker.verify(jars["removed"])).headers["x-latch-device"]
    await worker.api("DELETE", f"/v1/accounts/removed/devices/{device}")
    over = (await worker.verify(jars["over"])).headers["x-latch-session"]
    await worker.store.redis.hset(keys.session(keys.partition_of(Account("over")), over), "absolute_ms", "1")

    (line,) = await _export(worker.store, "sessions")
    answer = await worker.verify(jars["ada"])

    assert line["account"] == "ada"
    assert line["session"] == "latchstring:" + answer.headers["x-latch-session"]
    assert line["device"] == "latchstring:" + answer.headers["x-latch-device"]
    assert line["authenticated_at_ms"] // 1000 == int(answer.headers["x-latch-auth-time"])
    assert line["remember"] is True
    assert "removed" not in await _accounts(worker.store, "devices")


async def test_a_thousand_devices_are_exported_each(worker: Worker, tmp_path: Path) -> None:
    """However many rounds it takes."""
    lines = [device_line(f"u{number}") for number in range(1_300)]
    await run_import(worker.store, write_lines(tmp_path / "d", *lines), "devices")

    assert set(await _accounts(worker.store, "devices")) == {line["account"] for line in lines}


async def test_what_was_exported_comes_in_again_as_it_was(worker: Worker, tmp_path: Path) -> None:
    """In the same store nothing is doubled; in an empty one every id, name and day is the same as before."""
    imports = {
        "devices": write_lines(
            tmp_path / "devices", device_line(name="Old phone"), device_line("bob", kind="tv", model="Bravia")
        ),
        "sessions": write_lines(tmp_path / "sessions", session_line(device="d1"), session_line("bob", remember=False)),
    }
    kinds: tuple[Kind, ...] = ("devices", "sessions")
    for kind in kinds:
        await run_import(worker.store, imports[kind], kind)
    jar = Jar()
    await worker.sign_in("eve", jar=jar)
    first = {kind: await _export(worker.store, kind) for kind in kinds}
    exports = {kind: write_lines(tmp_path / f"exported-{kind}", *first[kind]) for kind in kinds}

    same = [await run_import(worker.store, exports[kind], kind) for kind in kinds]
    after_same = {kind: await _export(worker.store, kind) for kind in kinds}
    await worker.store.redis.flushall()
    empty = [await run_import(worker.store, exports[kind], kind) for kind in kinds]
    after_empty = {kind: await _export(worker.store, kind) for kind in kinds}

    assert [len(first[kind]) for kind in kinds] == [4, 3]
    assert [(position.imported, position.rejected) for position in same] == [(0, 0), (0, 0)]
    assert [(position.imported, position.rejected) for position in empty] == [(4, 0), (3, 0)]
    assert after_same == first
    assert after_empty == first


async def test_somebody_elses_keys_in_the_store_stop_no_export(worker: Worker) -> None:
    """A stray key of another type, or a record that lacks a field, ended it in a traceback."""
    await worker.signed_in("ada")
    tag = keys.prefix(7)
    for name in (b"{zzz}:session:x", b"{\xff\xfe}:session:x", b"session", tag.encode() + b"session:\xff"):
        await worker.store.redis.set(name, "a string")
    for kind in ("session", "device"):
        await worker.store.redis.set(f"{tag}{kind}:string", "x")
        await worker.store.redis.rpush(f"{tag}{kind}:list", "x")
        await worker.store.redis.hset(f"{tag}{kind}:lacking", "state", "live" if kind == "session" else "active")
        await worker.store.redis.hset(f"{tag}{kind}:foreign", mapping={"a": "b"})

    assert await _accounts(worker.store, "sessions") == ["ada"]
    assert await _accounts(worker.store, "devices") == ["ada"]
