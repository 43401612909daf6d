"""What the log tells of a session's life: each turn of it once, by keyed names."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from harness.worker_app import SESSION, Jar, Worker
from latchstring_gateway.tokens.log_names import LogNames

Lines = list[Any]


@pytest.fixture
def told() -> Iterator[Lines]:
    """Every line of the log, as it is before it is written."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def _of(told: Lines, *events: str) -> Lines:
    return [line for line in told if line["event"] in events]


async def test_a_whole_life_can_be_followed_by_one_name(worker: Worker, told: Lines) -> None:
    """Signed in, renewed, ended by the website, refused: every line carries the name that the key gives the id."""
    jar = await worker.signed_in("ada")
    session = (await worker.verify(jar)).headers["x-latch-session"]
    await worker.navigate(worker.run_out(jar))
    await worker.api("DELETE", f"/v1/accounts/ada/sessions/{session}")
    await worker.navigate(jar)
    names = LogNames(worker.rooms.ring)

    life = [line for line in told if line.get("session") == names.of("session", session)]

    assert [(line["event"], line["log_level"], line.get("reason")) for line in life] == [
        ("session_started", "info", None),
        ("session_renewed", "debug", None),
        ("session_ended", "info", "ended_by_website"),
        ("session_refused", "info", "revoked"),
    ]
    assert {line["account"] for line in life if "account" in line} == {names.of("account", "ada")}


async def test_an_old_tab_that_asks_for_ever_is_told_of_once(worker: Worker, told: Lines) -> None:
    """One line a session and reason, or stale tabs would fill the disk."""
    jar = await worker.signed_in()
    await worker.api("POST", "/v1/accounts/ada/revoke")
    for _ in range(20):
        await worker.verify(jar)

    assert len(_of(told, "session_refused")) == 1
    assert len(_of(told, "account_signed_out")) == 1


async def test_what_anybody_can_send_is_told_to_those_who_listen_closely(worker: Worker, told: Lines) -> None:
    """No cookie, and cookies that are none of ours: debug, without a name and without the cookie."""
    for jar in (None, Jar({SESSION: "v1.junk.junk.junk"}), Jar({SESSION: "x"})):
        await worker.verify(jar)

    refused = _of(told, "visit_refused")

    assert [(line["log_level"], line["reason"]) for line in refused] == [
        ("debug", "no_cookie"),
        ("debug", "unknown_key"),
        ("debug", "malformed"),
    ]
    assert not [line for line in told if "junk" in str(line)]


async def test_a_removed_device_and_a_refused_sign_in_are_told(worker: Worker, told: Lines) -> None:
    """By the device's name and the account's."""
    started = (await worker.sign_in("ada")).json()
    await worker.api("DELETE", f"/v1/accounts/ada/devices/{started['device']['id']}")
    await worker.api("POST", "/v1/accounts/ada/revoke")
    late = await worker.sign_in("ada", authenticated_at_ms=started["session"]["authenticated_at_ms"])
    names = LogNames(worker.rooms.ring)

    (removed,), (refused,) = _of(told, "device_removed"), _of(told, "sign_in_refused")

    assert removed["device"] == names.of("device", started["device"]["id"])
    assert removed["reason"] == "removed_by_website"
    assert late.status_code == 409
    assert (refused["account"], refused["reason"]) == (names.of("account", "ada"), "overtaken")


async def test_a_copied_credential_is_a_warning(worker: Worker, told: Lines) -> None:
    """The line that somebody should read."""
    jar = await worker.signed_in()
    lease = worker.lease(jar)
    row = f"*session:{(await worker.verify(jar)).headers['x-latch-session']}"
    (key,) = [key async for key in worker.store.redis.scan_iter(match=row)]
    await worker.store.redis.hset(key, mapping={"n": lease.n + 5, "n_used": 1, "n_issued_at_ms": 0})
    answer = await worker.verify(worker.run_out(jar))

    (line,) = _of(told, "credential_reuse")

    assert answer.status_code == 401
    assert line["log_level"] == "warning"
    assert set(line) >= {"session", "device", "reason"}


def test_every_event_of_a_sessions_life_is_documented() -> None:
    """docs/logs.md lists the events of sessions, of revoking, of letting a TV in and of pages; all it lists exist."""
    root = Path(__file__).parents[3]
    modules = (
        "sessions/story.py",
        "revocation/revoke.py",
        "revocation/certify.py",
        "activation/page.py",
        "trials/claims.py",
        "pages/render.py",
        "background.py",
        "running.py",
        "revocation/give_back.py",
        "privacy/all_nodes.py",
    )
    code = "".join((root / "gateway" / name).read_text() for name in modules)
    events = set(re.findall(r'(?:_log\.\w+|tell)\(\s*"(\w+)"', code)) | set(
        re.findall(r'tell\("\w+" if .* else "(\w+)"', code)
    )
    for either in re.findall(r'event = "(\w+)" if .* else "(\w+)"', code):
        events |= set(either)

    documented = set(re.findall(r"^\| `(\w+)` \|", (root / "docs" / "logs.md").read_text(), re.MULTILINE))
    everything = "".join(path.read_text() for path in (root / "gateway").rglob("*.py"))

    assert events <= documented
    assert {event for event in documented if f'"{event}"' not in everything} == set()
