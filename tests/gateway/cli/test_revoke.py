"""`latchstring revoke` and `latchstring accounts`, run as an operator runs them: beside workers, and without any."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from harness.edge_gateway import EdgeGateway
from harness.valkey import Valkey
from harness.waiting import wait_until
from latchstring_gateway.cli.main import app
from latchstring_gateway.tokens.keyring import create_key_file

pytestmark = pytest.mark.store

_LATCHSTRING = str(Path(sys.executable).with_name("latchstring"))


class Done(NamedTuple):
    """What a command has said."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def _run(env: dict[str, str], *arguments: str) -> Done:
    done = subprocess.run([_LATCHSTRING, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def gateway() -> Iterator[EdgeGateway]:
    """Two workers, and the command beside them."""
    running = EdgeGateway(fsync="never")
    yield running
    running.close()


@pytest.fixture
def run(gateway: EdgeGateway) -> Run:
    """The command with the gateway's settings; `alone` where it finds no worker, then in a process of its own."""

    def command(*arguments: str, alone: bool = False, stdin: str = "") -> Done:
        env = {
            "LATCHSTRING_DATA_DIR": str(gateway.data_dir),
            "LATCHSTRING_STORE": gateway.valkey.url,
            "LATCHSTRING_LISTEN": _NOBODY if alone else gateway.address,
        }
        if alone:
            return _run(env, *arguments)
        done = CliRunner().invoke(app, list(arguments), env=env, input=stdin)
        return Done(done.exit_code, done.stdout, done.stderr)

    return command


def _status(gateway: EdgeGateway, started: dict[str, Any]) -> int:
    cookie = "; ".join(line.partition(";")[0] for line in started["set_cookie"])
    return gateway.client.get("/verify", headers={"cookie": cookie}).status_code


#: A port on which nothing listens: the command does it alone.
_NOBODY = "127.0.0.1:9"


@pytest.mark.parametrize(
    ("what", "alone"),
    [
        ("account", False),
        ("device", False),
        ("session", False),
        ("disable", False),
        ("everybody", False),
        ("device", True),
        ("everybody", True),
    ],
)
def test_it_ends_what_it_names_and_shows_a_complete_receipt(
    gateway: EdgeGateway, run: Run, what: str, alone: bool
) -> None:
    """Whoever does it: both workers have applied it, the API has the receipt, the cookie is worth nothing."""
    account = f"{what}@example.com"
    gateway.client.post(f"/v1/accounts/{account}/enable").raise_for_status()
    started = gateway.sign_in(account)
    assert _status(gateway, started) == 200
    arguments = {
        "account": ("revoke", "account", account),
        "device": ("revoke", "device", account, started["device"]["id"]),
        "session": ("revoke", "session", account, started["session"]["id"]),
        "disable": ("accounts", "disable", account),
        "everybody": ("revoke", "--all", "--yes"),
    }[what]

    done = run(*arguments, "--json", alone=alone)

    assert done.returncode == 0, done.stderr
    receipt = json.loads(done.stdout)
    workers = 3 if alone else 2
    assert (receipt["status"], receipt["applied"], receipt["workers"]) == ("complete", workers, workers)
    assert _status(gateway, started) == 401
    assert gateway.client.get(f"/v1/revocations/{receipt['id']}").json()["status"] == "complete"


def test_a_disabled_account_is_enabled_again(gateway: EdgeGateway, run: Run) -> None:
    """Directly in the store: nobody has to be waited for."""
    run("accounts", "disable", "dan")

    enabled, again = run("accounts", "enable", "dan"), run("accounts", "enable", "dan")

    assert (enabled.returncode, again.returncode) == (0, 0)
    assert enabled.stdout == "dan may sign in again\n"
    assert "was not disabled" in again.stdout
    assert gateway.sign_in("dan")["session"]["account"] == "dan"


def test_the_receipt_in_words_says_who_and_how_many(run: Run, gateway: EdgeGateway) -> None:
    """One line for people, one with the receipt's id."""
    gateway.sign_in("wendy")

    told = run("revoke", "account", "wendy").stdout.splitlines()

    assert told[0].startswith("wendy: signed out everywhere (2 of 2 workers, ")
    assert told[-1].startswith("receipt ")


def test_a_silent_worker_makes_it_partial_and_is_named(gateway: EdgeGateway, run: Run) -> None:
    """Exit code 3, who has not answered, and from when it is certain all the same."""
    gateway.sign_in("petra")
    frozen = gateway.start_worker()

    def follows() -> bool:
        return bool(json.loads(run("revoke", "account", "petra", "--json").stdout)["workers"] == 3)

    wait_until(follows, "the third worker to follow")
    frozen.send_signal(signal.SIGSTOP)
    try:
        partial = run("revoke", "account", "petra", alone=True)
    finally:
        frozen.send_signal(signal.SIGCONT)
    gateway.workers.remove(frozen)
    frozen.terminate()
    frozen.wait(12)

    assert partial.returncode == 3, partial.stderr
    assert "certain everywhere by" in partial.stdout
    assert f".{frozen.pid}." in partial.stdout


def test_everybody_is_not_signed_out_by_a_slip(gateway: EdgeGateway, run: Run) -> None:
    """It asks first; without an answer, or with "n", nothing happens; without a subject it shows its help."""
    started = gateway.sign_in("sandra")

    unanswered, refused, bare = run("revoke", "--all"), run("revoke", "--all", stdin="n\n"), run("revoke")

    assert (unanswered.returncode, refused.returncode, bare.returncode) == (1, 1, 2)
    assert "--all" in bare.stdout
    assert _status(gateway, started) == 200
    assert run("revoke", "--all", stdin="y\n").returncode == 0
    assert _status(gateway, started) == 401


@pytest.mark.parametrize(
    ("arguments", "code", "alone"),
    [
        (("revoke", "account", "a b"), "bad_account", False),
        (("revoke", "session", "../../v1/revoke-everybody", "A" * 22), "unknown_session", False),
        (("revoke", "device", "ada", "../x"), "bad_device_id", False),
        (("revoke", "session", "ada", "A" * 22), "unknown_session", False),
        (("revoke", "device", "ada", "-" * 22), "unknown_device", False),
        (("revoke", "device", "ada", "A" * 22), "unknown_device", True),
        (("accounts", "disable", ""), "bad_account", False),
        (("accounts", "enable", "a b"), "bad_account", False),
        (("revoke", "device", "a/devices/" + "j\u00f6rg" * 40, "A" * 22), "unknown_device", False),
    ],
)
def test_what_does_not_exist_is_said_and_nothing_is_done(
    run: Run, arguments: tuple[str, ...], code: str, alone: bool
) -> None:
    """Exit code 1, the code on stderr, nothing on stdout, no stack trace."""
    done = run(*arguments, alone=alone)

    assert (done.returncode, done.stdout) == (1, "")
    assert code in done.stderr
    assert "Traceback" not in done.stderr


def test_options_before_the_subcommand_count(gateway: EdgeGateway, run: Run) -> None:
    """`revoke --json --repeat-key K account X` ignored both; and `--all` beside a subject is refused."""
    gateway.sign_in("olga")

    first = run("revoke", "--json", "--repeat-key", "before", "account", "olga")
    again = run("revoke", "account", "olga", "--json", "--repeat-key", "before")
    two = run("revoke", "--repeat-key", "one", "account", "olga", "--repeat-key", "two")
    both = run("revoke", "--all", "account", "olga")

    assert json.loads(first.stdout)["id"] == json.loads(again.stdout)["id"]
    assert (two.returncode, both.returncode) == (2, 2)


@pytest.mark.parametrize("alone", [False, True])
def test_the_key_of_another_act_is_refused(gateway: EdgeGateway, run: Run, alone: bool) -> None:
    """Its receipt would have been another account's, and nobody revoked."""
    key = f"taken-{alone}"
    run("revoke", "account", "kurt", "--repeat-key", key)
    started = gateway.sign_in("lena")

    refused = run("revoke", "account", "lena", "--repeat-key", key, alone=alone)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "idempotency_key_reused" in refused.stderr
    assert _status(gateway, started) == 200


def test_a_repeated_act_happens_once(gateway: EdgeGateway, run: Run) -> None:
    """With the key of the first try, whoever did it: the same receipt, and who signed in since stays in."""
    first = json.loads(run("revoke", "account", "rita", "--json", "--repeat-key", "k1").stdout)
    started = gateway.sign_in("rita")

    again = json.loads(run("revoke", "account", "rita", "--json", "--repeat-key", "k1", alone=True).stdout)

    assert again["id"] == first["id"]
    assert _status(gateway, started) == 200


def test_without_a_store_it_says_how_to_go_on(own_valkey: Callable[[], Valkey], tmp_path: Path) -> None:
    """Nothing is certain, and the key to repeat it with is told."""
    create_key_file(tmp_path / "keys.json")
    valkey = own_valkey()
    valkey.stop()
    env = {"LATCHSTRING_DATA_DIR": str(tmp_path), "LATCHSTRING_STORE": valkey.url, "LATCHSTRING_LISTEN": _NOBODY}

    done = _run(env, "revoke", "--all", "--yes")

    assert (done.returncode, done.stdout) == (1, "")
    assert "--repeat-key cli-" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_keys_nothing_is_asked(gateway: EdgeGateway, tmp_path: Path) -> None:
    """Who has no key ring is no operator."""
    env = {
        "LATCHSTRING_DATA_DIR": str(tmp_path),
        "LATCHSTRING_STORE": gateway.valkey.url,
        "LATCHSTRING_LISTEN": gateway.address,
    }

    done = _run(env, "revoke", "account", "ada")

    assert done.returncode == 1
    assert "keys.json" in done.stderr
