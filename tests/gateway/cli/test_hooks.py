"""`latchstring hooks`, run as an operator runs it."""

import json
from collections.abc import Callable

import pytest
import redis
from typer.testing import CliRunner, Result

from latchstring_gateway.cli.main import app
from latchstring_gateway.store import keys

Run = Callable[..., Result]
URL = "https://9.9.9.9/hook"


@pytest.fixture
def run(store_url: str) -> Run:
    """The command, against the emptied store."""

    def command(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env={"LATCHSTRING_STORE": store_url, "COLUMNS": "300"})

    return command


@pytest.fixture
def hook(run: Run) -> str:
    """A hook that was added."""
    return str(json.loads(run("hooks", "add", URL).stdout)["id"])


def test_a_hook_is_added_listed_without_its_secret_and_removed(run: Run) -> None:
    """The signing secret is in the answer to `add` only."""
    made = json.loads(run("hooks", "add", "https://9.9.9.9/hook").stdout)
    listed = run("hooks", "list").stdout + run("hooks", "list", "--json").stdout
    removed = run("hooks", "remove", made["id"])

    assert made["secret"].startswith("whsec_")
    assert "https://9.9.9.9/hook" in listed
    assert made["secret"] not in listed
    assert removed.exit_code == 0
    assert "No hook yet" in run("hooks", "list").stdout
    assert run("hooks", "remove", made["id"]).exit_code == 1


@pytest.mark.parametrize(
    "url", ["http://receiver.example/", "https://user:pass@receiver.example/", "receiver", "ftp://x"]
)
def test_a_hook_address_that_leaks_is_refused_in_words(run: Run, url: str) -> None:
    """Exit 1, what was expected on stderr, no stack trace."""
    refused = run("hooks", "add", url)

    assert refused.exit_code == 1
    assert "bad_hook_url" in refused.stderr
    assert "pass" not in refused.stderr.replace("password", "")


@pytest.mark.parametrize("url", ["https://10.0.0.7/hook", "https://[fd00::7]/hook", "https://127.0.0.1:99999/hook"])
def test_a_hook_that_cannot_be_used_is_not_stored(run: Run, url: str) -> None:
    """Exit 1, and the list stays empty; a private address is taken when that is said."""
    refused = run("hooks", "add", url)

    assert (refused.exit_code, "bad_hook_url" in refused.stderr) == (1, True)
    assert json.loads(run("hooks", "list", "--json").stdout or "[]") == []
    assert run("hooks", "add", "--private", url).exit_code == (1 if "99999" in url else 0)


def test_the_list_says_how_the_delivery_goes(run: Run, hook: str, store_url: str) -> None:
    """State, since when, backlog, refused accounts, dead events and the reason; a pause is shown at once."""
    standing = {
        "state": "failing", "reason": "answered 500", "failing_since_ms": 1_800_000_000_000, "backlog_seconds": 61,
        "held_accounts": 2, "dead": 3, "at_ms": 1_800_000_061_000,
    }  # fmt: skip
    with redis.Redis.from_url(store_url) as client:
        client.hset(keys.HOOK_STATES, hook, json.dumps(standing))
    (failing,) = json.loads(run("hooks", "list", "--json").stdout)
    paused = run("hooks", "pause", hook)
    (by_hand,) = json.loads(run("hooks", "list", "--json").stdout)
    resumed = run("hooks", "resume", hook)

    assert failing | {"created": ""} == {
        "id": hook, "url": URL, "created": "", "state": "failing", "failing since": "2027-01-15 08:00 UTC",
        "backlog": "61 s", "refused accounts": "2", "dead": "3", "reason": "answered 500",
    }  # fmt: skip
    assert (by_hand["state"], by_hand["reason"]) == ("paused", "paused by hand")
    assert (paused.exit_code, resumed.exit_code, run("hooks", "pause", "hook_none").exit_code) == (0, 0, 1)


def test_dead_events_are_listed_and_sent_once_more(run: Run, hook: str, store_url: str) -> None:
    """By their ids or all; of an unknown hook or event that is said."""
    row = {
        "event": "evt_1",
        "type": "device.removed",
        "account": "ada",
        "at_ms": 1,
        "body": "{}",
        "reason": "answered 500",
    }
    with redis.Redis.from_url(store_url) as client:
        for number in (1, 2):
            client.xadd(keys.dead_events(hook), {**row, "event": f"evt_{number}", "given_up_at_ms": 2})
        listed = json.loads(run("hooks", "dead", hook, "--json").stdout)
        unknown = run("hooks", "replay", hook, "evt_9")
        one = run("hooks", "replay", hook, "evt_2")
        rest = run("hooks", "replay", hook)
        replays = client.xlen(keys.replays(hook))

    assert [(dead["event"], dead["reason"]) for dead in listed] == [
        ("evt_1", "answered 500"),
        ("evt_2", "answered 500"),
    ]
    assert (unknown.exit_code, "unknown_event" in unknown.stderr) == (1, True)
    assert (one.stdout[:1], rest.stdout[:1], replays) == ("1", "1", 2)
    assert run("hooks", "dead", "hook_none").exit_code == 1
    assert run("hooks", "replay", "hook_none").exit_code == 1
