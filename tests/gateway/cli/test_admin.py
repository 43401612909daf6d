"""`latchstring service-keys`, run as an operator runs it."""

import asyncio
import json
from collections.abc import Callable

import pytest
import redis.asyncio
from typer.testing import CliRunner, Result

from latchstring_gateway.cli.admin import show
from latchstring_gateway.cli.main import app
from latchstring_gateway.clock import SystemClock
from latchstring_gateway.service_keys import ServiceKeys
from latchstring_gateway.store.client import Store

Run = Callable[..., Result]


@pytest.fixture
def run(store_url: str) -> Run:
    """The command, against the emptied store."""

    def command(*arguments: str, store: str = store_url) -> Result:
        return CliRunner().invoke(app, list(arguments), env={"LATCHSTRING_STORE": store, "COLUMNS": "200"})

    return command


def test_a_service_key_is_shown_once_and_never_again(run: Run) -> None:
    """The list has id and name; the secret is only in the answer that made it."""
    made = run("service-keys", "add", "website")
    credential = made.stdout.strip()
    listed, as_json = run("service-keys", "list"), run("service-keys", "list", "--json")

    assert (made.exit_code, credential[:4], len(credential)) == (0, "lsk_", 70)
    assert "website" in listed.stdout
    (row,) = json.loads(as_json.stdout)
    assert credential.startswith(f"lsk_{row['id']}_")
    assert credential[27:] not in listed.stdout + as_json.stdout


async def test_a_revoked_service_key_opens_nothing(store_url: str, store_client: redis.asyncio.Redis) -> None:
    """From the next call on."""

    def revoke(key_id: str) -> Result:
        return CliRunner().invoke(app, ["service-keys", "revoke", key_id], env={"LATCHSTRING_STORE": store_url})

    store = Store(store_url)
    service_keys = ServiceKeys(store, SystemClock())
    credential = await service_keys.add("website")
    done = await asyncio.to_thread(revoke, credential[4:26])
    again = await asyncio.to_thread(revoke, credential[4:26])

    assert (done.exit_code, await service_keys.list()) == (0, [])
    assert again.exit_code == 1
    assert "unknown_service_key" in again.stderr
    await store.close()


def test_without_a_store_the_operator_is_told_what_to_look_at(run: Run) -> None:
    """Which is whether the service runs."""
    refused = run("service-keys", "list", store="redis://127.0.0.1:1")

    assert refused.exit_code == 1
    assert "latchstring serve" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_bad_settings_are_told_all_at_once(run: Run) -> None:
    """Before anything is tried."""
    refused = CliRunner().invoke(
        app, ["hooks", "list"], env={"LATCHSTRING_WORKERS": "0", "LATCHSTRING_STORE": "http://x"}
    )

    assert refused.exit_code == 1
    assert "LATCHSTRING_WORKERS" in refused.stderr
    assert "LATCHSTRING_STORE" in refused.stderr


def test_a_list_that_is_too_wide_for_the_terminal_cuts_no_id_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 80 columns `hooks list` showed each hook as `hook_…`, which no other command takes."""
    row = {"id": "hook_" + "a" * 22, "url": "https://example.com/" + "b" * 60, "state": "ok", "reason": ""}
    monkeypatch.setenv("COLUMNS", "80")
    show([row], ("id", "url", "state", "reason"), as_json=False, empty="")
    narrow = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "200")
    show([row], ("id", "url", "state", "reason"), as_json=False, empty="")

    assert narrow == f"id: {row['id']}\nurl: {row['url']}\nstate: ok\n\n"
    assert row["id"] in capsys.readouterr().out
